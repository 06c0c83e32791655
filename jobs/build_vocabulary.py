"""Tokenize the corpus into ``tokens`` and count its training rows into ``vocabulary``."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

from textclf.job import Job, add_source, parser, run
from textclf.tables.schemas import CORPUS, TOKENS, VOCABULARY
from textclf.text.build import build_vocabulary


def work(job: Job) -> None:
    """Build, and note each source's figures in the run record."""
    job.record.input = str(job.warehouse.location(CORPUS.name))
    counts = build_vocabulary(job.spark, job.warehouse, job.pipeline, job.sources())
    job.record.input_rows = sum(count.rows for count in counts.values())
    job.record.details = {"sources": {name: asdict(count) for name, count in counts.items()}}
    job.record.tables = {spec.name: str(job.warehouse.location(spec.name)) for spec in (TOKENS, VOCABULARY)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; its exit code."""
    made = parser("build_vocabulary", __doc__)
    add_source(made)
    return run("build_vocabulary", made, work, argv)


if __name__ == "__main__":
    sys.exit(main())
