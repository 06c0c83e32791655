"""Scoring a table, Parquet to Parquet, beside what users would write instead, in one run.

    python benchmarks/scoring.py [--rows 2000000] [--slow-rows 100000] [--warm-rows 20000] [--repeats 3]
                                 [--cores 2] [--way NAME ...]
    python benchmarks/scoring.py --cold [--warm-rows 20000] [--cores 2]

The model is the tutorial's CNN (128 filters of width 5 on 100 dimensions, random weights: they cost the same) over
1,746 words and 100 tokens; texts have 12 words on average, by Zipf's law, some unknown to the model. Each way runs in
a process and a Spark session of its own: first on ``--warm-rows``, cold, then ``--repeats`` times on its rows.

keras        Keras in an iterator pandas UDF: the tutorial's tokenizer in Python, pad_sequences, model.predict
batch        pyspark.ml.functions.predict_batch_udf around the same
mlflow       mlflow.pyfunc.spark_udf around the same
fasttext     fastText, supervised, in a pandas UDF (skipped where the package is not installed)
hashing      scikit-learn's HashingVectorizer and LogisticRegression in a pandas UDF
onnx         the same CNN in ONNX Runtime in mapInArrow, batches sorted by length and trimmed
ours         textclf's compiled scorer as score_table runs it: from the table to files of results in staging
columns      the same as columns of a DataFrame, add_scores, which Spark writes
ids          mapInArrow that gives the ids back: what any Python pays
copy         Spark's copy of the table, without Python

Below: where the time of ``ours`` goes: ``read`` is Parquet to rows in the JVM, ``transport`` sends ids and texts to the
workers, ``compute`` scores them there; and the two kernels alone on one core. Slow ways run on fewer rows, as stated.
``--cold`` measures nothing but what the first batch of a fresh cluster takes, see ``_scoring_cold.py``.
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks._scoring_cold import show as cold_starts  # noqa: E402
from benchmarks._scoring_peers import PEERS  # noqa: E402

FILES = 8
PIPELINE = """
warehouse = "{warehouse}"
[[sources]]
name = "bench"
path = "none"
format = "text"
pattern = "(?P<label>.) (?P<text>.*)"
[score]
model = "bench"
"""
WORDS, KNOWN, LENGTH = 20_000, 1_746, 100
SLOW = ("keras", "batch", "mlflow", "fasttext", "hashing", "onnx")
STEPS = ("read", "transport", "compute")
WAYS = (*SLOW, "ours", "columns", "ids", "copy")


@cache
def vocabulary() -> list[str]:
    """Invented words, the most frequent first."""
    rng, letters = np.random.default_rng(1), np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words: dict[str, None] = {}
    while len(words) < WORDS:
        words["".join(rng.choice(letters, rng.integers(2, 10)))] = None
    return list(words)


def write_texts(folder: Path, rows: int, *, length: int = 12, files: int = FILES) -> None:
    """Write a table (id, text) of several files, of texts with that many words on average."""
    folder.mkdir()
    words, rng = np.array(vocabulary(), object), np.random.default_rng(2)
    weights = 1 / np.arange(1, WORDS + 1)
    weights /= weights.sum()
    each = -(-rows // files)
    for number in range(files):
        count = max(0, min(each, rows - number * each))
        lengths = rng.poisson(length - 1, count) + 1
        drawn, ends = words[rng.choice(WORDS, int(lengths.sum()), p=weights)], np.cumsum(lengths)
        texts = [
            " ".join(drawn[end - length : end]).capitalize() + "." for end, length in zip(ends, lengths, strict=True)
        ]
        ids = pa.array(np.arange(number * each, number * each + count))
        pq.write_table(pa.table({"id": ids, "text": pa.array(texts, pa.string())}), folder / f"{number}.parquet")


def make_model() -> Any:
    """The CNN with random weights, as an artifact."""
    from textclf.artifact import Artifact, Golden, Manifest
    from textclf.models import InputShape, architecture
    from textclf.text.vocabulary import Vocabulary

    made, rng = architecture("cnn"), np.random.default_rng(3)
    hyperparameters = made.parse({})
    tensors = made.tensors(hyperparameters, InputShape(KNOWN + 1, LENGTH, 2))
    weights = {name: (rng.normal(size=size) / np.sqrt(size[-1])).astype(np.float32) for name, size in tensors.items()}
    manifest = Manifest(
        name="bench",
        architecture="cnn",
        hyperparameters=hyperparameters.model_dump(),
        labels=["0", "1"],
        tokenizer="keras",
        num_words=KNOWN + 1,
        max_length=LENGTH,
        metrics={},
        training={},
        corpus_digest="",
        packages={},
    )
    return Artifact.pack(manifest, weights, Vocabulary(tuple(vocabulary()[:KNOWN])), Golden([], []))


def columns(texts: Any, model: Any, _scratch: Path) -> Any:
    """The columns that score_table adds."""
    from textclf.inference.backends import choose
    from textclf.scoring.dataframe import add_scores

    return add_scores(texts, {"bench": model}, {"bench": choose(model, "compiled")}).drop("text")


def scoring_pass(spark: Any, table: Path, model: Any) -> Callable[[Path], None]:
    """What score_table does between its plan and its audit; the function's folder must not exist."""
    from textclf.artifact import ModelStore
    from textclf.config import parse_pipeline
    from textclf.runs.workspace import Workspace
    from textclf.scoring.execution import Pass
    from textclf.scoring.plan import plan_scoring
    from textclf.scoring.score import ScoreOptions
    from textclf.storage import Location

    warehouse = Path(tempfile.mkdtemp(dir=table.parent))
    store = ModelStore(str(warehouse / "models"))
    store.promote("bench", store.save(model).manifest.version)
    pipeline = parse_pipeline(PIPELINE.format(warehouse=warehouse))
    options = ScoreOptions(input=str(table), day=date(2026, 1, 1))
    plan = plan_scoring(Workspace(spark, pipeline), options)
    return lambda output: Pass(plan, pipeline, options, options.day, [], "benchmark").write(Location(path=str(output)))


def ids(texts: Any, _model: Any, _scratch: Path) -> Any:
    """Ids to Python and back."""
    return texts.select("id").mapInArrow(lambda batches: batches, "id long")


def transport(texts: Any, _model: Any, _scratch: Path) -> Any:
    """Ids and texts to the Python workers, and nothing done with them."""

    def nothing(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"rows": pa.array([sum(map(len, batches))])})

    return texts.select("id", "text").mapInArrow(nothing, "rows long")


def compute(texts: Any, model: Any, _scratch: Path) -> Any:
    """The same, scored there."""
    from textclf.inference.backends import choose
    from textclf.scoring.worker.batch import Wanted, score_batch
    from textclf.scoring.worker.models import make_resident

    models, wanted = make_resident(texts.sparkSession, {"bench": model}, {"bench": choose(model, "compiled")}), Wanted()

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        models.prepare()
        rows = sum(len(score_batch(batch.column("text"), None, models, wanted)) for batch in batches)
        yield pa.record_batch({"rows": pa.array([rows])})

    return texts.select("id", "text").mapInArrow(score, "rows long")


def copy(texts: Any, _model: Any, _scratch: Path) -> Any:
    """The table itself."""
    return texts


Way = Callable[[Any, Any, Path], Any]
RUN: dict[str, Way] = {**PEERS, "columns": columns, "ids": ids, "copy": copy}
RUN |= {"read": copy, "transport": transport, "compute": compute}  # without a write


def measure(way: str, folder: Path, cores: int, repeats: int) -> dict[str, Any]:
    """Seconds of one way, cold and warm: the child's side of the benchmark."""
    from textclf.spark import open_session

    spark = open_session("benchmark", {"spark.master": f"local[{cores}]", "spark.ui.showConsoleProgress": "false"})
    model, slow = make_model(), way in SLOW
    made: dict[str, Any] = {}

    def seconds(name: str) -> float:
        shutil.rmtree(folder / "output", ignore_errors=True)
        begin = time.perf_counter()
        if way == "ours":
            if name not in made:
                made[name] = scoring_pass(spark, folder / name, model)
            made[name](folder / "output")
            return time.perf_counter() - begin
        if name not in made:  # a user makes the function once and uses it for every table
            made[name] = RUN[way](spark.read.parquet(str(folder / name)), model, folder)
        writer = made[name].write.mode("overwrite")
        writer.format("noop").save() if way in STEPS else writer.parquet(str(folder / "output"))
        return time.perf_counter() - begin

    cold = seconds("warm")
    table = "slow" if slow else "texts"
    return {"cold": cold, "warm": seconds("warm"), "seconds": [seconds(table) for _ in range(repeats)]}


def child(way: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One way in a process of its own."""
    command = [sys.executable, __file__, "--child", way, "--folder", str(folder)]
    command += ["--cores", str(args.cores), "--repeats", str(args.repeats)]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))  # for the workers as well
    environ = os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return found


def kernels(folder: Path) -> None:
    """Print what one core does with the texts in memory."""
    from textclf.inference.compiled_scorer import CompiledScorer

    scorer = CompiledScorer.of(make_model())
    texts = pq.read_table(folder / "texts/0.parquet")["text"].combine_chunks()[:200_000]
    batches = [texts[start : start + 16_384] for start in range(0, len(texts), 16_384)]
    tokens = [scorer.index.ragged(batch) for batch in batches]
    for name, run in (
        ("tokenize", lambda: [scorer.index.ragged(batch) for batch in batches]),
        ("convolve", lambda: [scorer.score_tokens(*each) for each in tokens]),
    ):
        run()
        taken = []
        for _ in range(5):
            begin = time.process_time()
            run()
            taken.append(time.process_time() - begin)
        print(f"{name:<12}{len(texts) / statistics.median(taken):>14,.0f} rows/s on one core")


def show(results: dict[str, dict[str, Any]], rows: dict[str, int]) -> None:
    """Print the table: rows a second, and ratios to Keras and to Spark's copy."""
    rates = {way: rows[way] / statistics.median(found["seconds"]) for way, found in results.items()}
    print(f"{'way':<12}{'rows':>12}{'seconds':>10}{'rows/s':>12}{'x keras':>10}{'time / copy':>13}{'cold - warm':>13}")
    for way, found in results.items():
        faster = f"{rates[way] / rates['keras']:.1f}" if "keras" in rates else ""
        longer = f"{rates['copy'] / rates[way]:.2f}" if "copy" in rates else ""
        seconds, cold = statistics.median(found["seconds"]), found["cold"] - found["warm"]
        print(f"{way:<12}{rows[way]:>12,}{seconds:>10.2f}{rates[way]:>12,.0f}{faster:>10}{longer:>13}{cold:>11.1f} s")


def main() -> None:
    """Measure every way and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--slow-rows", type=int, default=100_000)
    parser.add_argument("--warm-rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--way", action="append", choices=WAYS)
    parser.add_argument("--cold", action="store_true", help="only the first batch of a fresh cluster")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        sys.stdout.write(json.dumps(measure(args.child, args.folder, args.cores, args.repeats)) + "\n")
        return
    if args.cold:
        with tempfile.TemporaryDirectory(prefix="textclf-bench-") as scratch:
            write_texts(Path(scratch) / "warm", args.warm_rows)
            cold_starts(Path(scratch) / "warm", args.cores, Path(scratch))
        return
    ways = list(args.way or WAYS)
    if "fasttext" in ways and importlib.util.find_spec("fasttext") is None:
        print("fasttext: NOT MEASURED, the package fasttext is not installed", file=sys.stderr)
        ways.remove("fasttext")
    with tempfile.TemporaryDirectory(prefix="textclf-bench-") as scratch:
        folder = Path(scratch)
        for name, rows in (("texts", args.rows), ("slow", args.slow_rows), ("warm", args.warm_rows)):
            write_texts(folder / name, rows)
        rows_of = {way: args.slow_rows if way in SLOW else args.rows for way in (*ways, *STEPS)}
        show({way: child(way, args, folder) for way in ways}, rows_of)
        print("\nwhere the time of ours goes, each step with those before it, nothing written:")
        show({step: child(step, args, folder) for step in STEPS}, rows_of)
        kernels(folder)


if __name__ == "__main__":
    main()
