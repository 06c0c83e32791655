"""The first job with Python workers of a session, as a process of its own for ``startup.py``.

    python benchmarks/_first_worker.py score|tokenize DAEMON MODELS TEXTS

Prints seconds from the start of the job to its end, and the seconds of cores that Python has used for it.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from textclf.artifact import ModelStore
from textclf.corpus.vocabulary import PRELOADED
from textclf.inference.backends import choose
from textclf.scoring.dataframe import add_scores
from textclf.spark import open_session
from textclf.spark.preload.environment import preloading
from textclf.text.tokenizer import tokenize_array


def tokens(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Tokenize the column ``text``."""
    for batch in batches:
        yield pa.RecordBatch.from_arrays([tokenize_array(batch.column("text"))], names=["tokens"])


def worker_seconds() -> float:
    """Seconds of cores of the Python processes of this session: the daemon and its workers."""
    total, ticks = 0, os.sysconf("SC_CLK_TCK")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = os.getsid(int(process.name)) == os.getsid(0) and int(process.name) != os.getpid()
            if ours and (process / "comm").read_text().startswith("python"):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])  # user and system time
        except OSError:  # it has ended
            continue
    return total / ticks


def main() -> None:
    """Open a session, warm its JVM, and time the job."""
    kind, daemon, models, texts = sys.argv[1:]
    os.setsid()
    spark = open_session("first", {"spark.master": "local[2]", "spark.python.daemon.module": daemon})
    rows = spark.read.parquet(texts).select("id", "text").repartition(2)
    rows.selectExpr("sum(length(text))").collect()
    if kind == "score":
        artifact = ModelStore(models).load("reviews")
        scored = add_scores(rows, {"reviews": artifact}, {"reviews": choose(artifact, "auto")})
        job = scored.selectExpr("count(score)")
    else:
        with preloading(spark.sparkContext, *PRELOADED):
            job = rows.mapInArrow(tokens, "tokens array<string>").selectExpr("count(tokens)")
    begin = time.perf_counter()
    (row,) = job.collect()
    taken = time.perf_counter() - begin
    if row[0] != rows.count():
        raise SystemExit(f"{row[0]} rows came back")
    print(taken, worker_seconds())
    spark.stop()


if __name__ == "__main__":
    main()
