"""Write the report of a run as one HTML page, from the tables alone."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import functions as F

from textclf.errors import InputError
from textclf.job import Job, day, parser, run
from textclf.logs import say
from textclf.report.run_data import load_run
from textclf.report.run_report import default_path, render, write
from textclf.tables.schemas import RUNS


def work(job: Job) -> None:
    """Ask the tables, write the page; its place goes into the run record."""
    run_id = _run_of_day(job) if job.args.date else job.args.run
    data = load_run(job.spark, job.warehouse, job.pipeline, run_id)
    path = Path(job.args.output) if job.args.output else default_path(job.warehouse, data.run["run_id"])
    write(render(data), path)
    job.record.details |= {"run": data.run["run_id"], "report": os.path.abspath(path)}
    say(f"report: {os.path.abspath(path)}")


def _run_of_day(job: Job) -> str:
    """The newest run that scored the day of ``--date``, whatever became of it.

    Raises:
        InputError: There is none.
    """
    asked = job.args.date.isoformat()
    table = job.warehouse.read(job.spark, RUNS, fix="run score_table first")
    its_day = F.get_json_object("details", "$.day")
    found = table.where((F.col("job") == "score_table") & (its_day == asked)).orderBy(F.desc("started_at"))
    newest = found.select("run_id").first()
    if newest is None:
        raise InputError(
            "No run has scored this day.",
            received=f"--date {asked}",
            expected="a run of score_table for that day in the table runs",
            fix=f"score it first: score_table --date {asked}",
        )
    run_id: str = newest["run_id"]
    return run_id


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; its exit code."""
    made = parser("report", __doc__)
    which = made.add_mutually_exclusive_group()
    which.add_argument("--run", metavar="RUN_ID", help="default: the newest run of score_table")
    which.add_argument("--date", type=day, metavar="YYYY-MM-DD", help="the newest run of score_table for that day")
    made.add_argument("--output", metavar="FILE", help="default: reports/RUN_ID.html in the warehouse")
    return run("report", made, work, argv)


if __name__ == "__main__":
    sys.exit(main())
