"""Maintain tables: merge small files, remove old ones, and clear away what dead runs left."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from textclf.common.logs import say
from textclf.config import Upkeep
from textclf.runs.history import record_killed
from textclf.runs.record import RunRecord
from textclf.runs.runs_table import known_runs
from textclf.storage.commit_retry import retried
from textclf.storage.delta_log import hadoop_path, identity, with_settings
from textclf.storage.leases.fence import Fence
from textclf.storage.leases.lease import Lease
from textclf.storage.leases.locks import UPKEEP, LockLog, Locks, lock_day, locked
from textclf.storage.schemas import TRIALS
from textclf.storage.staging import remove
from textclf.storage.warehouse import Location, Warehouse

_ASIDE = (TRIALS.name, "nightly")
"""Locked by searches and nights, which do not publish rows themselves."""
DELTA_HOURS = 168  # Delta refuses to remove files younger than this unless its check is turned off
_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"
_LISTING = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
_RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
_ENDED = ("succeeded", "failed", "locked", "killed")


@contextmanager
def runs_held_off(
    spark: SparkSession, warehouse: Warehouse, outputs: Sequence[Location], run: RunRecord, lease: float
) -> Iterator[str | None]:
    """Keep runs from beginning to publish to these tables or their rejects; yield a run that is publishing already.

    That run may be publishing to any table of results, because all share one table of rejects. It may have written
    files that no version refers to yet. Other runs wait while this context is open. Each side takes its lock before it
    checks for the other one: both may give way, but never neither.

    Yields:
        Identifier of a run that is publishing; None if there is none.

    Raises:
        LockError: Another run maintains the same tables.
    """
    taken: list[Locks] = []

    def check() -> None:
        for each in taken:
            each.check()

    run.fence = Fence(run.run_id, check)
    with ExitStack() as stack:
        rejects = warehouse.location("results_rejects")
        for place in {identity(spark, str(place)): place for place in (*outputs, rejects)}.values():
            locks = stack.enter_context(locked(spark, warehouse.locks(spark), str(place), run.run_id, run.job, lease))
            taken.append(locks)
            locks.take([UPKEEP])
            record_killed(spark, warehouse, locks, place)
        aside = {str(warehouse.location(name)) for name in _ASIDE}
        others = (each for each in _held(spark, warehouse) if each.output not in aside)
        yield next((each.run_id for each in others if each.run_id != run.run_id), None)


def tend(spark: SparkSession, place: Location, upkeep: Upkeep, at_work: str | None = None) -> dict[str, Any]:
    """Merge a table's small files and remove files that no version within the retention needs.

    Rows stay the same for every reader: merging is a commit without changed data, and a reader of an older version
    finds its files for ``retention_days``.

    Args:
        spark: An open session.
        place: Table to maintain.
        upkeep: Section ``[upkeep]`` of the pipeline file.
        at_work: Run that is publishing to the table; then no files are removed.

    Returns:
        Number of files before and after, bytes before, and ``kept_for`` if files were kept for a run.
    """
    table = place.delta(spark)
    before = table.detail().select("numFiles", "sizeInBytes").collect()[0]
    mean = before["sizeInBytes"] / max(before["numFiles"], 1)
    if before["numFiles"] > 1 and mean < upkeep.small_file_mb * 2**20:
        retried(lambda: table.optimize().executeCompaction())
    hours = upkeep.retention_days * 24
    # Delta lists a table in this many tasks, by default 10,000, however few folders it has.
    settings = {_LISTING: str(4 * spark.sparkContext.defaultParallelism)}
    if hours < DELTA_HOURS:  # only with short_retention, or the pipeline file would have been refused
        settings[_CHECK] = "false"
    if at_work is None:
        with with_settings(spark, settings):
            table.vacuum(hours)
    else:
        say(f"{place}: old files are kept while run {at_work} publishes to the table; the next upkeep removes them")
    after = table.detail().select("numFiles").collect()[0]
    figures = {"files_before": before["numFiles"], "files": after["numFiles"], "bytes": before["sizeInBytes"]}
    return figures | ({} if at_work is None else {"kept_for": at_work})


def clear_staging(spark: SparkSession, warehouse: Warehouse, upkeep: Upkeep) -> list[str]:
    """Remove staged rows that will not be published; return the runs whose rows were removed.

    Rows of a run that has ended are removed at once. Rows of a refused or stopped run are removed after the retention.
    So are those of a run without a record, which may still be running, unless it holds a lock.
    """
    ages = datetime.now(UTC) - timedelta(days=upkeep.retention_days)
    places = list(_staged(spark, warehouse))
    ended = known_runs(spark, warehouse, {run_id for run_id, _ in places}, _ENDED)
    alive = {lease.run_id for lease in _held(spark, warehouse)}
    removed = set()
    for run_id, place in places:
        began = datetime.strptime(run_id[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        if run_id not in alive and (run_id in ended or began < ages):
            remove(spark, place)
            removed.add(run_id)
    return sorted(removed)


def record_dead(spark: SparkSession, warehouse: Warehouse, run: RunRecord, lease: float) -> int:
    """Record runs that died while holding a lock that no later run has taken; return the number of such locks."""
    count = 0
    for name, log in _locks(spark, warehouse):
        found = log.newest()[1]
        if found is None or not found.free or not (found.held or found.orphans) or not found.run_id:
            continue
        named = warehouse.schema is not None and "/" not in found.output
        place = Location(name=found.output) if named else Location(path=found.output)
        with locked(spark, warehouse.locks(spark), found.output, run.run_id, run.job, lease) as locks:
            locks.take([lock_day(name)])
            record_killed(spark, warehouse, locks, place)
        count += 1
    return count


def trim_locks(spark: SparkSession, warehouse: Warehouse) -> int:
    """Remove all but the newest commit of each free lock; return how many were removed."""
    count = 0
    for _, log in _locks(spark, warehouse):
        number, lease = log.newest()
        if lease is not None and lease.free:
            count += log.trim(number)
    return count


def _locks(spark: SparkSession, warehouse: Warehouse) -> Iterator[tuple[str, LockLog]]:
    """Yield each lock of the warehouse with its name."""
    folder = warehouse.locks(spark)
    for name in _children(spark, folder):
        yield name, LockLog(spark, f"{folder}/{name}")


def _held(spark: SparkSession, warehouse: Warehouse) -> Iterator[Lease]:
    """Yield the leases of the locks that are held."""
    for _, log in _locks(spark, warehouse):
        lease = log.newest()[1]
        if lease is not None and not lease.free:
            yield lease


def _staged(spark: SparkSession, warehouse: Warehouse) -> Iterator[tuple[str, Location]]:
    """Yield the run and the location of all staged rows."""
    root = f"{warehouse.folder(spark)}/_staging"
    for run_id in _children(spark, root):
        if _RUN_ID.fullmatch(run_id):
            for name in _children(spark, f"{root}/{run_id}"):
                yield run_id, Location(path=f"{root}/{run_id}/{name}")


def _children(spark: SparkSession, folder: str) -> list[str]:
    """List the names in a folder; an empty list if the folder does not exist."""
    system, path = hadoop_path(spark, folder)
    if not system.exists(path):
        return []
    return sorted(status.getPath().getName() for status in system.listStatus(path))
