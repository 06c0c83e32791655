"""Staged rows: written once, not visible to readers, and then published or deleted.

What is staged is a Delta table of a run's own, in one commit. Its files are where they were written: in the folders of
the tables that they are for, where a commit of names publishes them, or else in the run's own folder.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from textclf.spark import cancellation
from textclf.storage.delta_log import hadoop_path
from textclf.storage.plain_files import tidying
from textclf.storage.schemas import TableSpec
from textclf.storage.staged_table import StagedTable
from textclf.storage.warehouse import Location, Warehouse

Kept = type[Exception] | tuple[type[Exception], ...]
"""Types of errors after which staged rows are kept."""


@contextmanager
def staging(spark: SparkSession, warehouse: Warehouse, run_id: str, spec: TableSpec) -> Iterator[Location]:
    """Create an empty staging table for a run and remove it on exit, also after an error.

    A killed run leaves its table behind, but no published table refers to it.
    """
    with staging_folder(spark, warehouse, run_id, spec.name) as folder:
        place = Location(path=folder)
        place.ensure(spark, spec)
        yield place


@contextmanager
def staging_folder(spark: SparkSession, warehouse: Warehouse, run_id: str, name: str) -> Iterator[str]:
    """Name a staging folder for a run, which does not exist yet, and remove it on exit. A killed run leaves it."""
    place = warehouse.staging(spark, run_id, name)
    try:
        yield str(place)
    finally:
        remove(spark, place)


@contextmanager
def staged(
    spark: SparkSession,
    warehouse: Warehouse,
    run_id: str,
    name: str,
    write: Callable[[Location], object],
    keep: Kept = (),
    *,
    ready: str | None = None,
) -> Iterator[StagedTable]:
    """Compute rows exactly once, into staging, and yield their table. What is not published is removed on exit.

    The rows are kept after an error of type ``keep``. They are also kept if all are staged and the run is asked to
    stop before it has published them: a run that repeats the work need not compute them again. Files of an earlier
    run, which a commit may have named, are left to VACUUM.

    Args:
        spark: An open session.
        warehouse: Warehouse of the staging folder.
        run_id: Identifier of the run.
        name: Name of the staged table.
        write: Function that computes the rows and writes them to a location. If it fails, it leaves no files elsewhere.
        keep: Types of errors after which the rows are kept.
        ready: Identifier of an earlier run that has computed the same rows and kept them. If given, its rows are
            taken over and nothing is computed.
    """
    place, table, kept, done = warehouse.staging(spark, run_id, name), None, False, False
    try:
        if ready is not None:
            _move(spark, warehouse.staging(spark, ready, name), place)
        else:
            write(place)
        table = StagedTable.at(spark, place)
        table.published = ready is not None  # that run may have been stopped between its two commits
        yield table
        done = True
    except keep:
        kept = True
        raise
    finally:
        with tidying(f"What is staged in {place} could not be removed"):
            kept = kept or (table is not None and not done and cancellation.asked() and table.whole)
            if not kept:
                if table is not None and not table.published:
                    table.discard()
                remove(spark, place)


def is_whole(spark: SparkSession, place: Location) -> bool:
    """Whether there are staged rows at a location and all of their files are still there."""
    return place.exists(spark) and StagedTable.at(spark, place).whole


def any_staged(spark: SparkSession, warehouse: Warehouse) -> bool:
    """Whether there may be rows in staging."""
    file_system, folder = hadoop_path(spark, f"{warehouse.folder(spark)}/_staging")
    return bool(file_system.exists(folder) and file_system.listStatus(folder))


def _move(spark: SparkSession, place: Location, target: Location) -> None:
    """Move a run's staged rows to another run."""
    file_system, folder = hadoop_path(spark, str(place))
    _, aim = hadoop_path(spark, str(target))
    file_system.mkdirs(aim.getParent())
    file_system.rename(folder, aim)
    remove(spark, place)


def remove(spark: SparkSession, place: Location) -> None:
    """Remove what a run has staged in its own folder, and the folder once it is empty.

    Files in the folders of tables stay. Those that were published belong to the tables; VACUUM removes the others when
    no version within the retention has them.
    """
    file_system, folder = hadoop_path(spark, str(place))
    file_system.delete(folder, True)
    parent = folder.getParent()
    if file_system.exists(parent) and not file_system.listStatus(parent):
        file_system.delete(parent, False)
