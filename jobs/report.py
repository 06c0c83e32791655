"""Write the report of a run as one HTML page, from the tables alone."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from textclf.common.logs import say
from textclf.report.run.data import load_run
from textclf.report.run.page import default_path, render_report, write
from textclf.workflow.runner import Job, day, parser, run


def work(job: Job) -> None:
    """Load the run's data and write the page; its path goes into the run record."""
    data = load_run(job.workspace, job.args.run, job.args.date)
    path = Path(job.args.output) if job.args.output else default_path(job.warehouse, data.run["run_id"])
    write(render_report(data), path)
    job.record.details |= {"run": data.run["run_id"], "report": os.path.abspath(path)}
    say(f"report: {os.path.abspath(path)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("report", __doc__)
    which = made.add_mutually_exclusive_group()
    which.add_argument("--run", metavar="RUN_ID", help="default: the newest run of score_table")
    which.add_argument("--date", type=day, metavar="YYYY-MM-DD", help="the newest run of score_table for that day")
    made.add_argument("--output", metavar="FILE", help="default: reports/RUN_ID.html in the warehouse")
    return run("report", made, work, argv)


if __name__ == "__main__":
    sys.exit(main())
