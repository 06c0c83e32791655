"""Tokenize the corpus into ``tokens`` and count its training rows into ``vocabulary``."""

import sys
from collections.abc import Sequence

from textclf.workflow import steps
from textclf.workflow.runner import Job, add_source, parser, run
from textclf.workflow.short_work import size_of_tables


def work(job: Job) -> None:
    """Build the vocabularies; each source's figures go into the run record."""
    steps.vocabulary(job.workspace, job.record, job.sources())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("build_vocabulary", __doc__)
    add_source(made)
    return run("build_vocabulary", made, work, argv, input_size=size_of_tables("corpus"))


if __name__ == "__main__":
    sys.exit(main())
