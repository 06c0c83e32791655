"""Read the sources' raw files into ``corpus`` and ``corpus_rejects``."""

import sys
from collections.abc import Sequence

from textclf import recorded
from textclf.job import Job, add_source, parser, run


def work(job: Job) -> None:
    """Ingest, and note the counts of each source in the run record."""
    recorded.ingest(job.spark, job.warehouse, job.record, job.sources())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; its exit code."""
    made = parser("ingest_corpus", __doc__)
    add_source(made)
    return run("ingest_corpus", made, work, argv)


if __name__ == "__main__":
    sys.exit(main())
