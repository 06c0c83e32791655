"""Scoring as tables and models grow: rows a second, and the memory of each worker.

    python benchmarks/scoring_growth.py [--rows 1000000 10000000 50000000] [--models 1 10 100 1000] [--long 10000]
                                        [--cores 2]

Rows are those of ``benchmarks/scoring.py``, their files repeated; nothing is written. Models are CNNs of 16 filters of
width 3, one a source, rows spread evenly over them. ``first`` is the first pass with new models, in which workers
fold, map and check each, ``seconds`` the median of those that follow (of one, from 10 million rows). Memory is the
largest resident set that a worker reports after a batch, files of models that it shares with others included. The last
line is of ``--long`` texts of a megabyte each.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.scoring import KNOWN, make_model, vocabulary, write_texts  # noqa: E402

BASE_ROWS = 1_000_000
WARM, REPEATS = 40, 5  # Java goes on compiling what is hot for the first half minute
LARGE = 10_000_000  # rows of a pass that is long enough to be measured once


def small_model(name: str, seed: int) -> Any:
    """A CNN of a source."""
    from textclf.artifact import Artifact, Golden
    from textclf.models import InputShape, architecture
    from textclf.text.vocabulary import Vocabulary

    made, rng = architecture("cnn"), np.random.default_rng(seed)
    hyperparameters = made.parse({"num_filters": 16, "kernel_size": 3, "embedding_dim": 50})
    manifest = make_model().manifest.model_copy(
        update={"name": name, "hyperparameters": hyperparameters.model_dump(), "files": {}}
    )
    tensors = made.tensors(hyperparameters, InputShape(KNOWN + 1, manifest.max_length, 2))
    weights = {key: (rng.normal(size=size) / np.sqrt(size[-1])).astype(np.float32) for key, size in tensors.items()}
    return Artifact.pack(manifest, weights, Vocabulary(tuple(vocabulary()[:KNOWN])), Golden([], []))


def scored(texts: Any, models: dict[str, Any]) -> Any:
    """The texts with scores; by source where there are several models."""
    from textclf.inference.backends import choose
    from textclf.scoring.dataframe import add_scores

    choices = {name: choose(model, "compiled") for name, model in models.items()}
    return add_scores(texts, models, choices, key="source" if len(models) > 1 else None)


def repeated(folder: Path, times: int) -> Path:
    """A table with the files of another several times: rows one after another that are equal would be scored faster."""
    made = folder.with_name(f"{folder.name}-{times}")
    made.mkdir()
    for number in range(times):
        for file in folder.glob("*.parquet"):
            os.link(file, made / f"{number}-{file.name}")
    return made


def seconds(rows: Any) -> float:
    """Seconds of computing rows and dropping them."""
    begin = time.perf_counter()
    rows.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - begin


def worker_memory(spark: Any, cores: int) -> list[int]:
    """Largest resident set of each of Spark's workers, in MiB."""

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            time.sleep(0.5)  # so that each worker gets one of the tasks
            columns = [pa.array([value] * batch.num_rows) for value in (os.getpid(), peak)]
            yield pa.RecordBatch.from_arrays(columns, ["pid", "peak"])

    found = spark.range(0, cores, 1, cores).mapInArrow(look, "pid long, peak long").distinct().collect()
    return sorted(row["peak"] for row in found)


def long_texts(spark: Any, count: int, cores: int) -> None:
    """Print what texts of a megabyte take."""
    from pyspark.sql import functions as F

    text = "good food ".ljust(100_000, "x") + "good food " * 90_000
    table = spark.range(0, count, 1, 4 * cores).select(F.lit(text).alias("text"))
    taken = seconds(scored(table, {"bench": make_model()}))
    size = len(text) * count / 2**20
    peaks = " ".join(map(str, worker_memory(spark, cores)))
    print(f"{count:,} texts of {len(text) / 2**20:.2f} MiB: {taken:.2f} s, {size / taken:,.0f} MiB/s   {peaks}")


def main() -> None:
    """Measure and print both tables, and the line of long texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000, 50_000_000])
    parser.add_argument("--models", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--long", type=int, default=10_000)
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    from pyspark.sql import functions as F

    from textclf.spark import open_session

    spark = open_session("growth", {"spark.master": f"local[{args.cores}]", "spark.ui.showConsoleProgress": "false"})
    with tempfile.TemporaryDirectory(prefix="textclf-bench-") as scratch:
        base = min(BASE_ROWS, *args.rows)
        write_texts(Path(scratch) / "texts", base)
        texts = spark.read.parquet(str(Path(scratch) / "texts"))
        print(f"{'rows':>12}{'models':>8}{'first':>10}{'seconds':>10}{'rows/s':>12}   MiB of each worker")
        for _ in range(WARM):
            seconds(scored(texts, {"bench": make_model()}))
        for rows in args.rows:
            table = spark.read.parquet(str(repeated(Path(scratch) / "texts", rows // base)))
            report(spark, args.cores, scored(table, {"bench": make_model()}), rows // base * base, 1)
        for count in args.models:
            models = {f"m{number}": small_model(f"m{number}", number) for number in range(count)}
            source = F.concat(F.lit("m"), F.col("id") % count)
            report(spark, args.cores, scored(texts.withColumn("source", source), models), base, count)
        long_texts(spark, args.long, args.cores)


def report(spark: Any, cores: int, table: Any, rows: int, models: int) -> None:
    """Measure and print one line."""
    first = seconds(table)
    taken = statistics.median(seconds(table) for _ in range(1 if rows >= LARGE else REPEATS))
    peaks = " ".join(map(str, worker_memory(spark, cores)))
    print(f"{rows:>12,}{models:>8}{first:>10.2f}{taken:>10.2f}{rows / taken:>12,.0f}   {peaks}", flush=True)


if __name__ == "__main__":
    main()
