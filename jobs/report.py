"""Write the report of a run as one HTML page, from the tables alone."""

import sys
from collections.abc import Sequence

from textclf.common.logs import say_summarized
from textclf.common.output_files import OutputFile
from textclf.report.run.data import load_run
from textclf.report.run.page import default_page, render_report, write
from textclf.spark.progress import spark_step
from textclf.workflow.runner import Job, day, parser, run
from textclf.workflow.short_work import size_of_tables


def work(job: Job) -> None:
    """Load the run's data and write the page; its path goes into the run record."""
    with spark_step(job.spark, "report"):
        data = load_run(job.workspace, job.args.run, job.args.date)
        page = OutputFile(job.args.output) if job.args.output else default_page(job.warehouse, data.run["run_id"])
        write(render_report(data), page)
    job.record.details |= {"run": data.run["run_id"], "report": str(page)}
    say_summarized(f"report: {page}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("report", __doc__)
    which = made.add_mutually_exclusive_group()
    which.add_argument("--run", metavar="RUN_ID", help="default: the newest run of score_table")
    which.add_argument("--date", type=day, metavar="YYYY-MM-DD", help="the newest run of score_table for that day")
    made.add_argument("--output", metavar="FILE", help="path or URL; default: reports/RUN_ID.html in the warehouse")
    return run("report", made, work, argv, input_size=size_of_tables("results"))


if __name__ == "__main__":
    sys.exit(main())
