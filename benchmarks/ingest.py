"""Ingest and vocabulary beside what users would write instead, on the same rows, in one run.

    python benchmarks/ingest.py [--rows 2000000] [--repeats 3] [--cores 2]

Each way runs in a process of its own, after a warm-up on a tenth of the rows (the JVM compiles what is hot, and a
shorter one measures the compiler), reads the same tab-separated file and ends with the same three tables: corpus,
tokens of every row, counted vocabulary:

ours      ingest_corpus (every record checked, numbered and committed) and build_vocabulary (tokens and counts
          committed), as the jobs do
MLlib     spark.read.csv written as Parquet; RegexTokenizer and CountVectorizer on it, vocabulary fitted and kept
pandas    read_csv written as Parquet; Keras' text_to_word_sequence and its counting, tokens written as Parquet, one
          process

The peers check nothing, number nothing and commit nothing. Printed: median seconds, rows a second, the ratio to
ours, and the peak memory of our driver, Python and JVM, for a tenth of the rows and for all. Where executors run in
the driver's JVM its memory is theirs too, so memory is measured with executors in processes of their own.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 10  # a tenth of the rows
APART = "TEXTCLF_BENCHMARK_APART"  # set where executors are processes of their own
WORDS = 50_000  # distinct words; their frequencies follow Zipf's law, as in natural language
TEXT_WORDS = 12  # mean words of a text
KERAS_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def write_corpus(path: Path, rows: int, seed: int = 1) -> None:
    """Write ``rows`` lines of text, tab, label."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(rng.choice(letters, size)) for size in rng.integers(2, 10, WORDS)])
    weights = 1 / np.arange(1, WORDS + 1)
    weights /= weights.sum()
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, rows, 100_000):
            lengths = rng.poisson(TEXT_WORDS - 1, min(100_000, rows - start)) + 1
            drawn = iter(words[rng.choice(WORDS, int(lengths.sum()), p=weights)])
            for number, length in enumerate(lengths):
                text = " ".join(next(drawn) for _ in range(length))
                file.write(f"{text.capitalize()}, indeed.\t{number % 2}\n")


def open_spark(cores: int) -> Any:
    """The session that all Spark ways share."""
    from textclf.spark import open_session

    settings = {"spark.master": f"local[{cores}]", "spark.ui.showConsoleProgress": "false"}
    if os.environ.get(APART):
        settings["spark.master"] = f"local-cluster[{cores},1,1024]"
    return open_session("benchmark", settings)


Way = Callable[[Path, Path], dict[str, float]]
"""From the file and an empty folder to the seconds of each step."""


def ours(cores: int) -> Way:
    """Our two jobs."""
    from textclf.config import parse_pipeline
    from textclf.corpus.ingest import ingest_corpus
    from textclf.corpus.vocabulary import build_vocabulary
    from textclf.runs.workspace import Workspace

    spark = open_spark(cores)

    def once(source: Path, work: Path) -> dict[str, float]:
        pipeline = parse_pipeline(
            f'warehouse = "{work}"\n[[sources]]\nname = "s"\npath = "{source}"\nformat = "tsv"\n'
            'columns = ["text", "label"]\nlabels = ["0", "1"]'
        )
        workspace = Workspace(spark, pipeline)
        begin = time.perf_counter()
        ingest_corpus(workspace, "run", pipeline.sources)
        middle = time.perf_counter()
        build_vocabulary(workspace, pipeline.sources)
        return {"ingest": middle - begin, "vocabulary": time.perf_counter() - middle}

    return once


def mllib(cores: int) -> Way:
    """Spark's own reader and feature transformers."""
    from pyspark.ml.feature import CountVectorizer, RegexTokenizer

    spark = open_spark(cores)

    def once(source: Path, work: Path) -> dict[str, float]:
        begin = time.perf_counter()
        read = spark.read.csv(str(source), sep="\t", quote="", schema="text string, label string")
        read.write.parquet(str(work / "corpus"))
        middle = time.perf_counter()
        corpus = spark.read.parquet(str(work / "corpus"))
        tokens = RegexTokenizer(inputCol="text", outputCol="tokens", pattern=r"[\s\p{Punct}]+").transform(corpus)
        tokens.select("tokens", "label").write.parquet(str(work / "tokens"))
        kept = spark.read.parquet(str(work / "tokens"))
        model = CountVectorizer(inputCol="tokens", outputCol="counts", vocabSize=1 << 20).fit(kept)
        (work / "vocabulary.txt").write_text("\n".join(model.vocabulary), encoding="utf-8")
        return {"ingest": middle - begin, "vocabulary": time.perf_counter() - middle}

    return once


def pandas(_cores: int) -> Way:
    """pandas, and the counting of Keras 2's Tokenizer written out."""
    import pandas as pd

    table = str.maketrans(KERAS_FILTERS, " " * len(KERAS_FILTERS))

    def once(source: Path, work: Path) -> dict[str, float]:
        begin = time.perf_counter()
        pd.read_csv(source, sep="\t", names=["text", "label"], quoting=3).to_parquet(work / "corpus.parquet")
        middle = time.perf_counter()
        corpus = pd.read_parquet(work / "corpus.parquet")
        counts: OrderedDict[str, int] = OrderedDict()
        tokens = []
        for text in corpus["text"]:
            words = [word for word in text.lower().translate(table).split(" ") if word]
            tokens.append(words)
            for word in words:
                counts[word] = counts.get(word, 0) + 1
        pd.DataFrame({"tokens": tokens, "label": corpus["label"]}).to_parquet(work / "tokens.parquet")
        ranked = sorted(counts.items(), key=lambda pair: pair[1], reverse=True)
        pd.DataFrame(ranked, columns=["token", "count"]).to_parquet(work / "vocabulary.parquet")
        return {"ingest": middle - begin, "vocabulary": time.perf_counter() - middle}

    return once


WAYS = {"ours": ours, "MLlib": mllib, "pandas": pandas}


def peak_memory() -> dict[str, float]:
    """Peak resident memory, in MiB, of this Python and of the driver's JVM, which is its child."""
    found = {"python": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    for status in Path("/proc").glob("[0-9]*/status"):
        fields = dict(line.split(":", 1) for line in status.read_text(errors="replace").splitlines() if ":" in line)
        if fields.get("PPid", "").strip() == str(os.getpid()) and fields["Name"].strip() == "java":
            found["JVM"] = int(fields["VmHWM"].split()[0]) / 1024
    return found


def measure(way: str, source: Path, warm_up: Path, cores: int) -> None:
    """Run one way once, warm, and print its seconds and memory as JSON: the child's side of the benchmark."""
    with tempfile.TemporaryDirectory(prefix="textclf-bench-") as folder:
        first, second = Path(folder, "warm"), Path(folder, "run")
        first.mkdir()
        second.mkdir()
        once = WAYS[way](cores)
        once(warm_up, first)
        seconds = once(source, second)
    sys.stdout.write(json.dumps({"seconds": seconds, "memory": peak_memory()}) + "\n")


def child(way: str, source: Path, warm_up: Path, cores: int, apart: bool = False) -> dict[str, Any]:
    """One way in a process of its own; with ``apart`` the executors in others."""
    command = [
        sys.executable,
        __file__,
        "--way",
        way,
        "--source",
        str(source),
        "--warm-up",
        str(warm_up),
        "--cores",
        str(cores),
    ]
    environ = os.environ | {APART: "1" if apart else ""}
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ
    )
    result: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return result


def main() -> None:
    """Measure every way and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--warm-up", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        measure(args.way, args.source, args.warm_up, args.cores)
        return
    folder = Path(tempfile.mkdtemp(prefix="textclf-corpus-"))
    try:
        paths = {rows: folder / f"{rows}.tsv" for rows in (args.rows // WARM_UP**2, args.rows // WARM_UP, args.rows)}
        for rows, path in paths.items():
            write_corpus(path, rows)
        report(args, paths)
    finally:
        shutil.rmtree(folder)


def report(args: argparse.Namespace, paths: dict[int, Path]) -> None:
    """Run the ways in turn, so that a drift of the machine meets all of them, and print medians."""
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(args.repeats):
        for way in WAYS:
            runs[way].append(child(way, paths[args.rows], paths[args.rows // WARM_UP], args.cores))
    steps = ("ingest", "vocabulary")
    medians = {
        way: [statistics.median(run["seconds"][step] for run in found) for step in steps]
        + [statistics.median(sum(run["seconds"].values()) for run in found)]
        for way, found in runs.items()
    }
    print(f"{args.rows:,} rows, {args.cores} cores, median of {args.repeats}")
    print(f"{'way':<8}{'':>4}{'ingest':>12}{'vocabulary':>12}{'both':>12}")
    for way, seconds in medians.items():
        print(f"{way:<8}{'s':>4}" + "".join(f"{value:>12.1f}" for value in seconds))
        print(f"{'':<8}{'r/s':>4}" + "".join(f"{args.rows / value:>12,.0f}" for value in seconds))
        ratios = (value / ours for value, ours in zip(seconds, medians["ours"], strict=True))
        print(f"{'':<8}{'x':>4}" + "".join(f"{value:>12.2f}" for value in ratios))
    for rows in (args.rows // WARM_UP, args.rows):
        memory = child("ours", paths[rows], paths[args.rows // WARM_UP**2], args.cores, apart=True)["memory"]
        peaks = ", ".join(f"{name} {value:,.0f} MiB" for name, value in memory.items())
        print(f"peak memory of the driver at {rows:>10,} rows: {peaks}")


if __name__ == "__main__":
    main()
