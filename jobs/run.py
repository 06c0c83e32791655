"""Run the whole chain as far as it is missing or stale: ingest, vocabulary, models, scores and report."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from textclf.chain.chain import plan_chain, run_chain
from textclf.chain.rules import STEPS
from textclf.common.logs import say
from textclf.config import Pipeline
from textclf.errors import UsageError
from textclf.runs.record import RunRecord
from textclf.workflow.runner import Job, parser, run
from textclf.workflow.short_work import chain_size


def work(job: Job) -> None:
    """Run the chain, or with ``--dry-run`` say what it would do."""
    job.record.details["asked"] = job.args.steps
    if not job.args.dry_run:
        run_chain(job.workspace, job.record, job.args.steps, job.held)
        return
    for decision in plan_chain(job.workspace, job.args.steps):
        say(str(decision))
        job.record.details.setdefault("plan", []).append(str(decision))


def _check(args: argparse.Namespace, pipeline: Pipeline, record: RunRecord) -> AbstractContextManager[None]:  # noqa: ARG001
    """Refuse a pipeline file without a table to score before Spark starts, and not after hours of a search."""
    if "score" in args.steps and pipeline.score.input is None:
        raise UsageError(
            "The pipeline file names no table to score.",
            received="no input under [score]",
            expected="path or URL of a Parquet or Delta table, or the name of a table in the catalog",
            fix="set input under [score], or leave the step out: --steps ingest,vocabulary,models",
        )
    return nullcontext()


def _size(args: argparse.Namespace, pipeline: Pipeline) -> int | None:
    return chain_size(pipeline, [None] if "score" in args.steps else [])


def _steps(text: str) -> list[str]:
    asked = text.split(",")
    if unknown := [name for name in asked if name not in STEPS]:
        raise argparse.ArgumentTypeError(
            f"expected steps of {', '.join(STEPS)}, separated by commas; received {', '.join(map(repr, unknown))}"
        )
    return [name for name in STEPS if name in asked]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("run", __doc__)
    made.add_argument(
        "--steps",
        type=_steps,
        default=list(STEPS),
        metavar="STEP,STEP",
        help=f"run only these of the steps {','.join(STEPS)}",
    )
    made.add_argument("--dry-run", action="store_true", help="print what would be done, and why; write nothing")
    return run("run", made, work, argv, kept=lambda args: not args.dry_run, around=_check, input_size=_size)


if __name__ == "__main__":
    sys.exit(main())
