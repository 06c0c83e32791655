"""Rows of a run that nobody sees yet: written once, counted, then published or thrown away."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from textclf.spark import cancellation
from textclf.storage.delta_log import hadoop_path
from textclf.storage.file_commit import StagedTable
from textclf.storage.schemas import TableSpec
from textclf.storage.warehouse import Location, Warehouse

Kept = type[Exception] | tuple[type[Exception], ...]
"""Errors after which staged rows stay."""


@contextmanager
def staging(spark: SparkSession, warehouse: Warehouse, run_id: str, spec: TableSpec) -> Iterator[Location]:
    """An empty table of the run's own, removed on the way out, after an error too.

    A killed run leaves it behind, unseen: no published table refers to it.
    """
    with _own(spark, warehouse.staging(spark, run_id, spec.name), ()) as place:
        place.ensure(spark, spec)
        yield place


@contextmanager
def staging_folder(spark: SparkSession, warehouse: Warehouse, run_id: str, name: str) -> Iterator[str]:
    """A folder of the run's own, which does not exist yet; removed on the way out, left behind by a killed run."""
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
    """Let ``write`` compute rows exactly once, into staging; where they are, which stay after an error of ``keep``.

    All of them stay, too, where the run is asked to stop before it publishes any of them: who does the same work again
    need not compute them.

    Args:
        ready: A run that has computed the same rows before and left them; then nothing is computed.
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
    """A place of the run's own, removed on the way out but after an error of ``keep`` or where it is still useful."""
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
    """Whether all files are there that were staged at a place: those of a run that has begun to publish are not."""
    return place.exists(spark) and StagedTable.at(spark, place).whole


def any_staged(spark: SparkSession, warehouse: Warehouse) -> bool:
    """Whether there may be rows in staging."""
    file_system, folder = hadoop_path(spark, f"{warehouse.folder(spark)}/_staging")
    return bool(file_system.exists(folder) and file_system.listStatus(folder))


def _move(spark: SparkSession, place: Location, target: Location) -> None:
    """Give a run's rows to another run."""
    file_system, folder = hadoop_path(spark, str(place))
    _, aim = hadoop_path(spark, str(target))
    file_system.mkdirs(aim.getParent())
    file_system.rename(folder, aim)
    remove(spark, place)


def remove(spark: SparkSession, place: Location) -> None:
    """Remove a run's rows, and the run's folder once it is empty."""
    file_system, folder = hadoop_path(spark, str(place))
    file_system.delete(folder, True)
    parent = folder.getParent()
    if file_system.exists(parent) and not file_system.listStatus(parent):
        file_system.delete(parent, False)
