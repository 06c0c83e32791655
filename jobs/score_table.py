"""Score a table of texts into results and results_rejects: one day, a range of days, or rows that the gate refused."""

import argparse
import sys
from collections.abc import Sequence

from textclf.config import Pipeline
from textclf.errors import UsageError
from textclf.scoring.days import DayRange, score_range
from textclf.scoring.input.change_feed import LAST, Since
from textclf.scoring.override import publish_anyway
from textclf.scoring.score import ScoreOptions, score_table
from textclf.workflow.runner import Job, add_range, day, parser, range_mistake, run
from textclf.workflow.short_work import input_size


def work(job: Job) -> None:
    """Score the input; the counts go into the run record."""
    args = job.args
    _check(args)
    workspace, record = job.workspace, job.record
    if args.publish_anyway:
        refused, reason, output = args.publish_anyway, args.reason, args.output
        publish_anyway(workspace, record, refused=refused, reason=reason, output=output, held=job.held)
        return
    options = ScoreOptions(
        input=args.input,
        output=args.output,
        model=args.model,
        day=args.date,
        backend=args.backend,
        limit=args.limit,
        all_scores=args.all_scores,
        evidence=args.evidence,
        challengers=tuple(args.challenger or ()),
        changed_only=args.changed_only,
        since=args.since,
    )
    if args.first:
        score_range(workspace, record, options, DayRange(args.first, args.last, args.parallel, args.force))
    else:
        score_table(workspace, record, options, job.held)


def _check(args: argparse.Namespace) -> None:
    """Refuse flags that cannot be combined."""
    expected = range_mistake(args)
    if expected is None and sum(map(bool, (args.first, args.date, args.publish_anyway))) > 1:
        expected = "only one of --date, --from with --to, --publish-anyway"
    if expected is None and bool(args.publish_anyway) != bool((args.reason or "").strip()):
        expected = "--publish-anyway RUN_ID and --reason TEXT together"
    if expected is not None:
        raise UsageError("These flags cannot be combined.", received=" ".join(sys.argv[1:]), expected=expected)


def _size(args: argparse.Namespace, pipeline: Pipeline) -> int | None:
    if args.publish_anyway or args.changed_only:  # these also read what is published
        return None
    return input_size(args.input or pipeline.score.input, pipeline.score.date, args.date)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, received {text!r}")
    return int(text)


def _version(text: str) -> Since:
    if text == LAST:
        return LAST
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a version number or {LAST}, received {text!r}")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("score_table", __doc__)
    made.add_argument("--input", metavar="TABLE", help="Parquet or Delta path or URL, or a table's name")
    made.add_argument("--output", metavar="PATH", help="Delta table for the results; default: that of the warehouse")
    made.add_argument(
        "--model", metavar="NAME[@VERSION]", help="the model for all rows, or models:/NAME@ALIAS of an MLflow registry"
    )
    made.add_argument(
        "--challenger",
        action="append",
        metavar="[SOURCE=]MODEL",
        help="a model that scores beside the champion: NAME, NAME@VERSION or newest; may be repeated for sources",
    )
    made.add_argument("--date", type=day, metavar="YYYY-MM-DD", help="the day to score, or to set for all rows")
    add_range(made)
    made.add_argument("--parallel", type=_positive, default=2, metavar="N", help="days of a range to score in parallel")
    made.add_argument("--force", action="store_true", help="also score days of a range that are up to date")
    made.add_argument("--backend", choices=["auto", "compiled", "keras"], help="what computes the scores")
    made.add_argument("--limit", type=_positive, metavar="N", help="score only N rows of the input")
    made.add_argument("--all-scores", action="store_true", help="write the score of every label")
    made.add_argument("--evidence", action="store_true", help="write the n-gram that influenced each decision most")
    made.add_argument("--changed-only", action="store_true", help="copy scores of texts already scored the same way")
    made.add_argument("--since", type=_version, metavar="VERSION", help="score rows that changed after it; or: last")
    made.add_argument("--publish-anyway", metavar="RUN_ID", help="publish the rows of this run that the gate refused")
    made.add_argument("--reason", metavar="TEXT", help="reason for --publish-anyway; kept in the run record")
    return run("score_table", made, work, argv, input_size=_size)


if __name__ == "__main__":
    sys.exit(main())
