"""Rows of a run that nobody sees yet: written once, counted, then published or thrown away."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession

from textclf.tables.schemas import TableSpec
from textclf.tables.warehouse import Location, Warehouse, hadoop_path

Kept = type[Exception] | tuple[type[Exception], ...]
"""Errors after which staged rows stay."""


@contextmanager
def staging(spark: SparkSession, warehouse: Warehouse, run_id: str, spec: TableSpec) -> Iterator[Location]:
    """An empty table of the run's own, removed on the way out, after an error too.

    A killed run leaves it behind, unseen: no published table refers to it.
    """
    with _own(spark, warehouse.staging(run_id, spec.name), ()) as place:
        place.ensure(spark, spec)
        yield place


@contextmanager
def staged(
    warehouse: Warehouse,
    run_id: str,
    name: str,
    df: DataFrame,
    keep: Kept = (),
    *,
    partition_by: tuple[str, ...] = (),
    statistics: tuple[str, ...] = (),
) -> Iterator[DataFrame]:
    """Compute ``df`` exactly once, into staging; the stored rows, which stay after an error of ``keep``.

    Args:
        partition_by, statistics: As of ``TableSpec``; files that another table takes over need its own.
    """
    spark = df.sparkSession
    with _own(spark, warehouse.staging(run_id, name), keep) as place:
        # One commit that creates the table and fills it: an empty one before it would be a second of its own.
        place.replace(df, TableSpec(name, df.schema, partition_by, statistics), "true")
        yield place.read(spark)


@contextmanager
def _own(spark: SparkSession, place: Location, keep: Kept) -> Iterator[Location]:
    kept = False
    try:
        yield place
    except keep:
        kept = True
        raise
    finally:
        if not kept:
            remove(spark, place)


def remove(spark: SparkSession, place: Location) -> None:
    """Remove a run's table, and the run's folder once it is empty."""
    if place.name is not None:
        spark.sql(f"DROP TABLE IF EXISTS {place.name}")
        return
    file_system, folder = hadoop_path(spark, str(place))
    file_system.delete(folder, True)
    parent = folder.getParent()
    if file_system.exists(parent) and not file_system.listStatus(parent):
        file_system.delete(parent, False)
