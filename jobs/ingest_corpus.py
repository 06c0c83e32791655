"""Read the sources' raw files into ``corpus`` and ``corpus_rejects``."""

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from textclf.common.logs import say
from textclf.config import Pipeline
from textclf.errors import UsageError
from textclf.runs.record import RunRecord
from textclf.workflow import steps
from textclf.workflow.runner import Job, add_source, asked_sources, parser, run
from textclf.workflow.short_work import sources_size


def work(job: Job) -> None:
    """Ingest the sources; each one's counts go into the run record."""
    sources, accept = job.sources(), _accepted(job.args, job.pipeline)
    if accept:
        job.record.details |= {"accept": accept, "reason": job.args.reason, "by": _user()}
    steps.ingest(job.workspace, job.record, sources, accept=accept)
    for name in accept:
        if name not in job.record.details["published_anyway"]:
            say(f"source {name}: its delivery needed no --accept", source=name)


def _check(args: argparse.Namespace, pipeline: Pipeline, record: RunRecord) -> AbstractContextManager[None]:  # noqa: ARG001
    """Refuse invalid flags before Spark starts."""
    _accepted(args, pipeline)
    return nullcontext()


def _size(args: argparse.Namespace, pipeline: Pipeline) -> int | None:
    return sources_size(asked_sources(args, pipeline))


def _accepted(args: argparse.Namespace, pipeline: Pipeline) -> list[str]:
    """Return the sources whose delivery is published even if it would be refused.

    Raises:
        UsageError: They are not among the sources of this run, or the reason is missing.
    """
    sources = [source.name for source in asked_sources(args, pipeline)]
    accept: list[str] = list(dict.fromkeys(args.accept or ()))
    if bool(accept) != bool((args.reason or "").strip()):
        raise UsageError(
            "These flags cannot be combined.",
            received=" ".join(sys.argv[1:]),
            expected="--accept NAME and --reason TEXT together",
        )
    if unknown := [name for name in accept if name not in sources]:
        raise UsageError(
            "This run does not read this source.",
            received=f"--accept {' --accept '.join(unknown)}",
            expected=f"one of: {', '.join(sources)}",
        )
    return accept


def _user() -> str:
    """Return the name of the user who runs the job, or the user's number if there is no name."""
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):  # a user without a name, as in containers
        return str(os.getuid())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("ingest_corpus", __doc__)
    add_source(made)
    made.add_argument(
        "--accept",
        action="append",
        metavar="NAME",
        help="publish this source even if its delivery would be refused; may be repeated",
    )
    made.add_argument("--reason", metavar="TEXT", help="reason for --accept; kept in the run record")
    return run("ingest_corpus", made, work, argv, around=_check, input_size=_size)


if __name__ == "__main__":
    sys.exit(main())
