"""Staged rows: written once, not visible to readers, and then published or deleted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from textclf.spark import cancellation
from textclf.storage.delta_log import hadoop_path
from textclf.storage.file_commit import StagedTable
from textclf.storage.schemas import TableSpec
from textclf.storage.warehouse import Location, Warehouse

Kept = type[Exception] | tuple[type[Exception], ...]
"""Types of errors after which staged rows are kept."""


@contextmanager
def staging(spark: SparkSession, warehouse: Warehouse, run_id: str, spec: TableSpec) -> Iterator[Location]:
    """Create an empty staging table for a run and remove it on exit, also after an error.

    A killed run leaves its table behind, but no published table refers to it.
    """
    with _own(spark, warehouse.staging(spark, run_id, spec.name), ()) as place:
        place.ensure(spark, spec)
        yield place


@contextmanager
def staging_folder(spark: SparkSession, warehouse: Warehouse, run_id: str, name: str) -> Iterator[str]:
    """Name a staging folder for a run, which does not exist yet, and remove it on exit. A killed run leaves it."""
    with _own(spark, warehouse.staging(spark, run_id, name), ()) as place:
        yield str(place)


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
) -> Iterator[Location]:
    """Compute rows exactly once, into staging, and yield their location. They are removed on exit.

    The rows are kept after an error of type ``keep``. They are also kept if all are staged and the run is asked to
    stop before it publishes any of them: a run that repeats the work need not compute them again.

    Args:
        spark: An open session.
        warehouse: Warehouse of the staging folder.
        run_id: Identifier of the run.
        name: Name of the staged table.
        write: Function that computes the rows and writes them to a location.
        keep: Types of errors after which the rows are kept.
        ready: Identifier of an earlier run that has computed the same rows and kept them. If given, its rows are
            taken over and nothing is computed.
    """
    complete, place = False, warehouse.staging(spark, run_id, name)
    with _own(spark, place, keep, lambda: complete and cancellation.asked() and is_whole(spark, place)):
        if ready is not None:
            _move(spark, warehouse.staging(spark, ready, name), place)
        else:
            write(place)
        complete = True
        yield place


@contextmanager
def _own(
    spark: SparkSession, place: Location, keep: Kept, useful: Callable[[], bool] = lambda: False
) -> Iterator[Location]:
    """Remove a run's location on exit, except after an error of type ``keep`` or if its rows are still useful."""
    kept = False
    try:
        yield place
    except keep:
        kept = True
        raise
    finally:
        if not (kept or useful()):
            remove(spark, place)


def is_whole(spark: SparkSession, place: Location) -> bool:
    """Whether all files staged at a location are still there. A run that has begun to publish has moved some away."""
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
    """Remove a run's staged rows, and the run's folder once it is empty."""
    file_system, folder = hadoop_path(spark, str(place))
    file_system.delete(folder, True)
    parent = folder.getParent()
    if file_system.exists(parent) and not file_system.listStatus(parent):
        file_system.delete(parent, False)
