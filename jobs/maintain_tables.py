"""Merge small files, remove old ones and clear away what dead runs left."""

import sys
from collections.abc import Mapping, Sequence

from textclf.common.table_names import PUBLISHED, TABLES
from textclf.corpus.refused_records import prune_refused
from textclf.storage import Location
from textclf.storage.warehouse import absolute
from textclf.workflow.maintenance import clear_staging, record_dead, runs_held_off, tend, trim_locks
from textclf.workflow.runner import Job, parser, run

_OUTPUT = "output"


def work(job: Job) -> None:
    """Maintain each table of the warehouse that exists; the figures go into the run record."""
    spark, warehouse, upkeep, record = job.spark, job.warehouse, job.pipeline.upkeep, job.record
    lease = job.pipeline.lock.lease
    places = {name: warehouse.location(name) for name in TABLES}
    if job.args.output:
        given = Location(path=absolute(job.args.output.rstrip("/") or "/"))
        if given not in places.values():
            places[_OUTPUT] = given
    record.details["dead_locks"] = record_dead(spark, warehouse, record, lease)
    record.details["staging_removed"] = clear_staging(spark, warehouse, upkeep)
    record.details["refused_removed"] = prune_refused(spark, warehouse, upkeep)
    record.details["lock_commits_removed"] = trim_locks(spark, warehouse)
    record.details["upkeep"] = {}
    published = {name: place for name, place in places.items() if name in (*PUBLISHED, _OUTPUT)}
    _tend(job, {name: place for name, place in places.items() if name not in published})
    outputs = [place for name, place in published.items() if name in ("results", _OUTPUT)]
    _tend(job, published, job.held.enter_context(runs_held_off(spark, warehouse, outputs, record, lease)))


def _tend(job: Job, places: Mapping[str, Location], at_work: str | None = None) -> None:
    for name, place in places.items():
        if place.exists(job.spark):
            job.record.tables[name] = str(place)
            job.record.details["upkeep"][name] = tend(job.spark, place, job.pipeline.upkeep, at_work)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("maintain_tables", __doc__)
    made.add_argument("--output", metavar="PATH", help="also maintain this table of results outside the warehouse")
    return run("maintain_tables", made, work, argv)


if __name__ == "__main__":
    sys.exit(main())
