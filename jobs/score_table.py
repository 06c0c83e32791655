"""Score a table of texts into results and results_rejects."""

import argparse
import sys
from collections.abc import Sequence
from datetime import date

from textclf.job import Job, parser, run
from textclf.scoring.score import ScoreOptions, score_table


def work(job: Job) -> None:
    """Score the input; the counts go into the run record."""
    args = job.args
    options = ScoreOptions(
        input=args.input,
        output=args.output,
        model=args.model,
        day=args.date,
        backend=args.backend,
        limit=args.limit,
        all_scores=args.all_scores,
        evidence=args.evidence,
    )
    score_table(job.spark, job.warehouse, job.pipeline, job.record, options)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of rows from 1, received {text!r}")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day as YYYY-MM-DD, received {text!r}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; its exit code."""
    made = parser("score_table", __doc__)
    made.add_argument("--input", metavar="TABLE", help="Parquet or Delta path or URL, or a table's name")
    made.add_argument("--output", metavar="PATH", help="Delta table for the results, instead of the warehouse's")
    made.add_argument("--model", metavar="NAME[@VERSION]", help="the model for all rows")
    made.add_argument("--date", type=_day, metavar="YYYY-MM-DD", help="the day to score, or to give to all rows")
    made.add_argument("--backend", choices=["auto", "compiled", "keras"], help="what computes the scores")
    made.add_argument("--limit", type=_positive, metavar="N", help="score only N rows of the input")
    made.add_argument("--all-scores", action="store_true", help="write the score of every label")
    made.add_argument("--evidence", action="store_true", help="write the n-gram that moved each decision most")
    return run("score_table", made, work, argv)


if __name__ == "__main__":
    sys.exit(main())
