"""Explain where a published row comes from: run, model, corpus, input and its version, code."""

import sys
from collections.abc import Sequence

from textclf.common.terminal import json_text
from textclf.runs.masked_fields import EACH, EXPLAINED, mask_fields
from textclf.runs.provenance import explain_row
from textclf.storage import Location
from textclf.storage.warehouse import absolute
from textclf.workflow.runner import Job, parser, run


def work(job: Job) -> None:
    """Print the rows with their provenance to standard error; the job's own record contains them too."""
    args = job.args
    output = Location(path=absolute(args.output)) if args.output else None
    found = explain_row(job.spark, job.warehouse, args.id, output=output, source=args.source)
    job.record.details["rows"] = found
    shown = mask_fields(found, [(EACH, *path) for path in EXPLAINED])
    sys.stderr.write(json_text(shown, stream=sys.stderr, indent=2) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("explain_row", __doc__)
    made.add_argument("id", metavar="ID", help="the row's id, as text")
    made.add_argument("--source", metavar="NAME", help="only rows of this source")
    made.add_argument("--output", metavar="PATH", help="table of results; default: that of the warehouse")
    return run("explain_row", made, work, argv, kept=lambda _: False)


if __name__ == "__main__":
    sys.exit(main())
