"""Say what made a published row: run, model, corpus, input and its version, code."""

import json
import sys
from collections.abc import Sequence

from textclf.job import Job, parser, run
from textclf.tables import Location
from textclf.tables.lineage import explain_row
from textclf.tables.warehouse import absolute


def work(job: Job) -> None:
    """Print the rows with their history to standard error; the job's own record holds them, too."""
    args = job.args
    output = Location(path=absolute(args.output)) if args.output else None
    found = explain_row(job.spark, job.warehouse, args.id, output=output, source=args.source)
    job.record.details["rows"] = found
    sys.stderr.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; its exit code."""
    made = parser("explain_row", __doc__)
    made.add_argument("id", metavar="ID", help="the row's id, as text")
    made.add_argument("--source", metavar="NAME", help="only rows of this source")
    made.add_argument("--output", metavar="PATH", help="table of results, instead of the warehouse's")
    return run("explain_row", made, work, argv, kept=lambda _: False)


if __name__ == "__main__":
    sys.exit(main())
