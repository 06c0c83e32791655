"""Run one night: ingest what is new, rebuild models where a rule requires it, score the day, publish, report."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date

from textclf.common.logs import say
from textclf.config import Pipeline
from textclf.errors import UsageError
from textclf.nightly.nightly import plan_night, run_nightly
from textclf.nightly.status_file import announced
from textclf.runs.record import RunRecord
from textclf.scoring.days import DayRange
from textclf.workflow.runner import Job, add_range, day, parser, range_mistake, run
from textclf.workflow.short_work import chain_size


def work(job: Job) -> None:
    """Run the night, or with ``--dry-run`` say what it would do."""
    days = _days(job.args, job.record.started_at.date())
    if not job.args.dry_run:
        run_nightly(job.workspace, job.record, days, job.held)
        return
    job.record.details["asked"] = [one.isoformat() for one in days]
    for decision in plan_night(job.workspace, days):
        say(str(decision))
        job.record.details.setdefault("plan", []).append(str(decision))


def _announce(args: argparse.Namespace, pipeline: Pipeline, record: RunRecord) -> AbstractContextManager[None]:
    """Write the status file before Spark starts, which may fail."""
    if args.dry_run or _mistaken(args):
        return nullcontext()
    return announced(pipeline, record, [one.isoformat() for one in _days(args, record.started_at.date())])


def _size(_: argparse.Namespace, pipeline: Pipeline) -> int | None:
    return chain_size(pipeline, [None])  # late days may be any of the table


def _mistaken(args: argparse.Namespace) -> bool:
    return bool(range_mistake(args) or (args.first and args.date))


def _days(args: argparse.Namespace, today: date) -> list[date]:
    """Return the requested days, in order."""
    if _mistaken(args):
        raise UsageError(
            "These flags cannot be combined.",
            received=" ".join(sys.argv[1:]),
            expected="--date, or --from and --to with --from no later than --to, or none of them",
        )
    return DayRange(args.first, args.last).days if args.first else [args.date or today]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("nightly", __doc__)
    made.add_argument("--date", type=day, metavar="YYYY-MM-DD", help="the day of the night; default: today (UTC)")
    add_range(made)
    made.add_argument("--dry-run", action="store_true", help="print what would be done, and why; write nothing")
    return run("nightly", made, work, argv, kept=lambda args: not args.dry_run, around=_announce, input_size=_size)


if __name__ == "__main__":
    sys.exit(main())
