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


def work(job: Job) -> None:
    """Ingest, and note the counts of each source in the run record."""
    sources, accept = job.sources(), _accepted(job.args, job.pipeline)
    if accept:
        job.record.details |= {"accept": accept, "reason": job.args.reason, "by": _user()}
    steps.ingest(job.workspace, job.record, sources, accept=accept)
    for name in accept:
        if name not in job.record.details["published_anyway"]:
            say(f"source {name}: its delivery needed no --accept", source=name)


def _check(args: argparse.Namespace, pipeline: Pipeline, record: RunRecord) -> AbstractContextManager[None]:  # noqa: ARG001
    """Answer flags that are wrong before there is a session."""
    _accepted(args, pipeline)
    return nullcontext()


def _accepted(args: argparse.Namespace, pipeline: Pipeline) -> list[str]:
    """The sources to publish whatever their delivery is.

    Raises:
        UsageError: They are not among those of this run, or the reason is missing.
    """
    sources = [source.name for source in asked_sources(args, pipeline)]
    accept: list[str] = list(dict.fromkeys(args.accept or ()))
    if bool(accept) != bool((args.reason or "").strip()):
        raise UsageError(
            "These flags do not go together.",
            received=" ".join(sys.argv[1:]),
            expected="--accept NAME and --reason TEXT together",
        )
    if unknown := [name for name in accept if name not in sources]:
        raise UsageError(
            "This run reads no such source.",
            received=f"--accept {' --accept '.join(unknown)}",
            expected=f"one of: {', '.join(sources)}",
        )
    return accept


def _user() -> str:
    """Who runs the job, as far as the machine knows."""
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):  # a user without a name, as in containers
        return str(os.getuid())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; its exit code."""
    made = parser("ingest_corpus", __doc__)
    add_source(made)
    made.add_argument(
        "--accept",
        action="append",
        metavar="NAME",
        help="publish this source though its delivery is refused; may be repeated",
    )
    made.add_argument("--reason", metavar="TEXT", help="why it is published; kept in the run record")
    return run("ingest_corpus", made, work, argv, around=_check)


if __name__ == "__main__":
    sys.exit(main())
