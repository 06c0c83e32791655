"""How long a command takes from nothing: the interpreter, the command line, a label, an empty Spark.

    python benchmarks/startup.py [--repeats 5] [--no-spark | --workers score | --workers tokenize]

Each is a process of its own, the file cache warm; the median counts, and beside it are the seconds of its processor
cores, which other work on the machine changes less. Ratios are to ``python -c pass``. ``predict`` labels one text, with
evidence, by a CNN of 5,000 words with random weights; ``models`` lists that model; ``query`` counts a table's rows.

Then ``spark-submit`` of a job that counts one row, and of a nightly run that scores a new day with sources and models
that are up to date: seconds until Spark hands out the first task, as its event log has it, and to the end.

Then the first job with Python workers of a session that has run others: 1,000 rows are scored or tokenized, with
textclf's daemon of workers and with PySpark's own, alternately. Seconds of cores are those of Python.
"""

import argparse
import datetime as dt
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark

_ROOT = Path(__file__).resolve().parents[1]
_ROWS = 2000  # of each night
_WORK = ("score", "tokenize")  # of the first workers
_FIRST = dt.date(2026, 1, 1)
_ONE_ROW = "from pyspark.sql import SparkSession; SparkSession.builder.getOrCreate().range(1).count()"
_EMPTY_JOB = "from textclf.spark import open_session; open_session('empty', {'spark.master': 'local[2]'}).stop()"


def write_model(folder: Path) -> None:
    """A CNN as the tutorial has it: 128 filters of width 5 on 100 dimensions."""
    from textclf.artifact import Artifact, Golden, Manifest, ModelStore
    from textclf.models import InputShape, architecture
    from textclf.text.vocabulary import Vocabulary

    made, random = architecture("cnn"), np.random.default_rng(1)
    vocabulary = Vocabulary(("good", "food", *(f"word{number}" for number in range(4997))))
    hyperparameters, shape = made.parse({}), InputShape(5000, 100, 2)
    tensors = made.tensors(hyperparameters, shape)
    weights = {name: random.normal(size=size).astype(np.float32) for name, size in tensors.items()}
    manifest = Manifest(
        name="reviews", architecture="cnn", hyperparameters=hyperparameters.model_dump(), labels=["0", "1"],
        tokenizer="keras", num_words=5000, max_length=100, metrics={}, training={}, corpus_digest="", packages={},
    )  # fmt: skip
    store = ModelStore(str(folder))
    store.save(Artifact.pack(manifest, weights, vocabulary, Golden([], [])))
    store.promote("reviews", "1")


def write_table(folder: Path) -> Path:
    """A warehouse with one small table, and the pipeline file that names it."""
    import deltalake

    deltalake.write_deltalake(str(folder / "tables/corpus"), pa.table({"id": range(100), "source": ["reviews"] * 100}))
    config = folder / "tables.toml"
    config.write_text(
        f'warehouse = "{folder / "tables"}"\n[[sources]]\nname = "reviews"\npath = "reviews.tsv"\n'
        'format = "tsv"\ncolumns = ["text", "label"]\n',
        encoding="utf-8",
    )
    return config


def seconds(command: Sequence[str], repeats: int) -> tuple[float, float]:
    """Median wall time of a command and of its cores, after one run that warms the file cache."""
    taken, cores = [], []
    for _ in range(repeats + 1):
        begin, used = time.perf_counter(), core_seconds()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - begin)
        cores.append(core_seconds() - used)
    return statistics.median(taken[1:]), statistics.median(cores[1:])


def core_seconds() -> float:
    """Seconds of processor cores that the processes which this one has started and waited for have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_nights(folder: Path, nights: int) -> Path:
    """A pipeline file, a source of labelled texts and a table of that many days to score."""
    texts = [f"the {'good' if number % 2 else 'bad'} food of place {number % 97}" for number in range(_ROWS)]
    lines = [f"{text}\t{number % 2}\n" for number, text in enumerate(texts)]
    (folder / "reviews.tsv").write_text("".join(lines), encoding="utf-8")
    table = pa.table({"id": range(_ROWS), "text": texts, "source": ["reviews"] * _ROWS})
    for night in range(nights):
        day = folder / f"input/ds={_FIRST + dt.timedelta(days=night)}"
        day.mkdir(parents=True)
        pq.write_table(table, day / "part-0.parquet")
    config = folder / "pipeline.toml"
    config.write_text(
        f'warehouse = "{folder / "warehouse"}"\n'
        f'[[sources]]\nname = "reviews"\npath = "{folder / "reviews.tsv"}"\nformat = "tsv"\n'
        'columns = ["text", "label"]\n[search]\narchitecture = "logistic_regression"\n'
        f'[score]\ninput = "{folder / "input"}"\nsource = "source"\ndate = "ds"\n[nightly]\nbuild = "train"\n',
        encoding="utf-8",
    )
    return config


def submitted(command: Sequence[str], job: Sequence[str], folder: Path) -> tuple[float, float]:
    """Seconds from the start of a spark-submit to its first task, and to its end."""
    events = Path(tempfile.mkdtemp(dir=folder))
    settings = {"enabled": "true", "dir": events.as_uri(), "compress": "false", "rolling.enabled": "false"}
    options = [word for key, value in settings.items() for word in ("--conf", f"spark.eventLog.{key}={value}")]
    begin = time.time()
    done = subprocess.run(
        [*command, "--master", "local[2]", *options, *job], capture_output=True, text=True, check=False
    )
    taken = time.time() - begin
    if done.returncode:
        raise SystemExit(f"{' '.join(job)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    (log,) = events.iterdir()
    with log.open(encoding="utf-8") as lines:
        launched = (json.loads(line)["Task Info"]["Launch Time"] for line in lines if "SparkListenerTaskStart" in line)
        return next(launched) / 1000 - begin, taken


def measure_spark(repeats: int, folder: Path) -> None:
    """Print what an empty job and a warm nightly take to their first task."""
    config = write_nights(folder, repeats + 1)
    empty = folder / "one_row.py"
    empty.write_text(_ONE_ROW, encoding="utf-8")
    spark_submit, ours = str(Path(pyspark.__file__).parent / "bin/spark-submit"), str(_ROOT / "spark-submit.sh")
    found: dict[str, list[tuple[float, float]]] = {"spark-submit of one row": [], "a warm nightly": []}
    for night in range(repeats + 1):
        job = ["nightly", "--config", str(config), "--date", str(_FIRST + dt.timedelta(days=night))]
        found["spark-submit of one row"].append(submitted([spark_submit], [str(empty)], folder))
        found["a warm nightly"].append(submitted([ours], job, folder))
    print("\n| job | seconds to the first task | x one row | seconds in all |\n|---|---|---|---|")
    base = None
    for name, times in found.items():
        first, whole = (statistics.median(part) for part in zip(*times[1:], strict=True))  # the first one is not warm
        base = base or first
        print(f"| {name} | {first:.1f} | {first / base:.2f} | {whole:.1f} |", flush=True)


def measure_workers(repeats: int, folder: Path, work: Sequence[str]) -> None:
    """Print what the first Python workers of a session cost, with textclf's daemon and with PySpark's."""
    texts = [f"good food and word{number} word{number % 97}" for number in range(1000)]
    pq.write_table(pa.table({"id": range(len(texts)), "text": texts}), folder / "texts.parquet")
    script, daemons = str(_ROOT / "benchmarks/_first_worker.py"), ("textclf.spark.worker_daemon", "pyspark.daemon")
    print("\n| first job with workers | daemon | seconds | seconds of cores | x PySpark's, seconds; cores |")
    print("|---|---|---|---|---|")
    for kind in work:
        pairs = []
        for _ in range(repeats + 1):
            each = [
                [sys.executable, script, kind, name, f"{folder}/models", str(folder / "texts.parquet")]
                for name in daemons
            ]
            done = [subprocess.run(command, check=True, capture_output=True, text=True) for command in each]
            pairs.append([[float(word) for word in process.stdout.split()] for process in done])
        for number, name in enumerate(daemons):
            taken, cores = (statistics.median(pair[number][part] for pair in pairs[1:]) for part in (0, 1))
            ratios = [statistics.median(pair[number][part] / pair[1][part] for pair in pairs[1:]) for part in (0, 1)]
            print(f"| {kind} | {name} | {taken:.2f} | {cores:.2f} | {ratios[0]:.2f}; {ratios[1]:.2f} |", flush=True)


def main() -> int:
    """Measure and print."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--no-spark", action="store_true", help="leave out all that starts Spark")
    made.add_argument("--workers", choices=_WORK, help="measure only the first job with Python workers, with this work")
    args = made.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder) / "models")
        if args.workers:
            measure_workers(args.repeats, Path(folder), [args.workers])
            return 0
        config = str(write_table(Path(folder)))
        python, models = sys.executable, ["--models", f"{folder}/models"]
        predict = ["predict", "good food", *models, "--evidence"]
        commands = {
            "python -c pass": [python, "-c", "pass"],
            "import textclf": [python, "-c", "import textclf"],
            "textclf --help": [python, "-m", "textclf", "--help"],
            "import textclf.artifact": [python, "-c", "import textclf.artifact, textclf.inference.backends"],
            "textclf predict TEXT": [python, "-m", "textclf", *predict],
            "textclf models list": [python, "-m", "textclf", "models", "list", *models],
            "textclf query SQL": [python, "-m", "textclf", "query", "--config", config, "SELECT count(*) FROM corpus"],
        }
        if not args.no_spark:
            commands["an empty session"] = [python, "-c", _EMPTY_JOB]
        print("| command | seconds | x python -c pass | seconds of cores |\n|---|---|---|---|")
        base = None
        for name, command in commands.items():
            taken, cores = seconds(command, args.repeats)
            base = base or taken
            print(f"| {name} | {taken:.3f} | {taken / base:.1f} | {cores:.3f} |", flush=True)
        if not args.no_spark:
            measure_spark(args.repeats, Path(folder))
            measure_workers(args.repeats, Path(folder), _WORK)
    return 0


if __name__ == "__main__":
    sys.exit(main())
