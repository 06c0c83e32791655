"""Merge small files, remove old ones and clear away what dead runs left."""

import sys
from collections.abc import Sequence

from textclf.job import Job, parser, run
from textclf.tables import Location
from textclf.tables.refused_records import prune_refused
from textclf.tables.upkeep import NAMES, clear_staging, record_dead, tend, trim_locks
from textclf.tables.warehouse import absolute


def work(job: Job) -> None:
    """Tend to each table of the warehouse that exists; the figures go into the run record."""
    spark, warehouse, upkeep, record = job.spark, job.warehouse, job.pipeline.upkeep, job.record
    places = {name: warehouse.location(name) for name in NAMES}
    if job.args.output:
        places["output"] = Location(path=absolute(job.args.output))
    record.details["dead_locks"] = record_dead(spark, warehouse, record, job.pipeline.lock.lease)
    record.details["staging_removed"] = clear_staging(spark, warehouse, upkeep)
    record.details["refused_removed"] = prune_refused(spark, warehouse, upkeep)
    record.details["lock_commits_removed"] = trim_locks(spark, warehouse)
    record.details["upkeep"] = {}
    for name, place in places.items():
        if place.exists(spark):
            record.tables[name] = str(place)
            record.details["upkeep"][name] = tend(spark, place, upkeep)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; its exit code."""
    made = parser("maintain_tables", __doc__)
    made.add_argument("--output", metavar="PATH", help="a table of results outside of the warehouse, too")
    return run("maintain_tables", made, work, argv)


if __name__ == "__main__":
    sys.exit(main())
