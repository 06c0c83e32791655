"""Show the record of a run: its input, its models, the verdict of the gate."""

import sys
from collections.abc import Sequence

from textclf.common.terminal import json_text
from textclf.runs.masked_fields import masked_record
from textclf.runs.provenance import show_run
from textclf.workflow.runner import Job, parser, run
from textclf.workflow.short_work import size_of_tables


def work(job: Job) -> None:
    """Print the record to standard error; the job's own record contains it too."""
    found = show_run(job.spark, job.warehouse, job.args.run_id)
    job.record.details["run"] = found
    sys.stderr.write(json_text(masked_record(found), stream=sys.stderr, indent=2) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("show_run", __doc__)
    made.add_argument("run_id", metavar="RUN_ID", help="identifier of the run")
    return run("show_run", made, work, argv, kept=lambda _: False, input_size=size_of_tables("runs"))


if __name__ == "__main__":
    sys.exit(main())
