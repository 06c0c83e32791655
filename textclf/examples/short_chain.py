"""All jobs on a few hundred texts in one session: ``python -m textclf.examples.short_chain FOLDER``.

Set-up runs it to fill the class data archive (``textclf.spark.launch.class_archive``).
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from textclf.examples.sample_corpus import FIRST_DAY, write_labelled, write_unlabelled
from textclf.spark import FEW_ROWS
from textclf.workflow import steps
from textclf.workflow.runner import Job, parser, run

_ROWS = 300
_PIPELINE = """
warehouse = "warehouse"
[[sources]]
name = "restaurants"
path = "labelled/restaurants.tsv"
format = "tsv"
columns = ["text", "label"]
[[sources]]
name = "products"
path = "labelled/products.csv"
format = "csv"
columns = ["text", "label"]
[[sources]]
name = "films"
path = "labelled/films.jsonl"
format = "jsonl"
[search]
architecture = "logistic_regression"
[score]
input = "unlabelled"
source = "source"
date = "ds"
"""
_EXIT = 600.0  # seconds; the JVM writes an archive as it ends


def work(job: Job) -> None:
    """Do the work of the jobs ingest_corpus, build_vocabulary, train_model and score_table."""
    from textclf.scoring.plan import ScoreOptions
    from textclf.scoring.score import score_table

    workspace, record = job.workspace, job.record
    steps.ingest(workspace, record, job.pipeline.sources)
    steps.vocabulary(workspace, record, job.pipeline.sources)
    for source in job.pipeline.sources:
        steps.train(workspace, record, source)
    score_table(workspace, record, ScoreOptions(day=FIRST_DAY), job.held)


def main(argv: Sequence[str]) -> int:
    """Write the sample into a new folder and run the chain there. Returns the exit code of a job."""
    folder = Path(argv[0]).absolute()
    folder.mkdir(parents=True)
    write_labelled(folder / "labelled")
    write_unlabelled(folder / "unlabelled", _ROWS)
    config = folder / "pipeline.toml"
    text = _PIPELINE
    for name in ("warehouse", "labelled", "unlabelled"):
        text = text.replace(f'"{name}', f'"{folder / name}')
    config.write_text(text, encoding="utf-8")
    code = run("short_chain", parser("short_chain", __doc__ or ""), work, ["--config", str(config)], spark=FEW_ROWS)
    _end_java()
    return code


def _end_java() -> None:
    """Stop the session and its JVM, and wait until the JVM has ended."""
    spark = SparkSession.getActiveSession()
    if spark is None:
        return
    gateway: Any = spark.sparkContext._gateway
    spark.stop()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=_EXIT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
