"""Search the best model of each source, with trials in parallel on the executors, and make it the champion."""

import sys
from collections.abc import Sequence

from textclf.search.search import SearchReport
from textclf.search.summary import raise_for
from textclf.spark import FEW_ROWS
from textclf.workflow import steps
from textclf.workflow.runner import Job, add_source, parser, run


def work(job: Job) -> None:
    """Run the search; the choice for each source goes into the run record."""
    report = steps.search(job.workspace, job.record, job.sources(), fresh=job.args.fresh, held=job.held)
    if job.args.figures:
        _draw(report, job.args.figures)
    raise_for(report)


def _draw(report: SearchReport, folder: str) -> None:
    from textclf.report.search_figures import search_figures
    from textclf.report.training_figures import save_all

    save_all(search_figures(report), folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("search_models", __doc__)
    add_source(made)
    again = made.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="reuse trials that have already ended (the default)")
    again.add_argument("--fresh", action="store_true", help="run every trial again")
    made.add_argument(
        "--figures", metavar="FOLDER", help="folder or URL for plots of the space and the learning curves"
    )
    return run("search_models", made, work, argv, spark=FEW_ROWS)


if __name__ == "__main__":
    sys.exit(main())
