"""Rows of a run that nobody sees yet: written once, counted, then published or thrown away."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession

from textclf.tables.schemas import TableSpec
from textclf.tables.warehouse import Location, Warehouse


@contextmanager
def staging(
    spark: SparkSession,
    warehouse: Warehouse,
    run_id: str,
    spec: TableSpec,
    keep: type[Exception] | tuple[type[Exception], ...] = (),
) -> Iterator[Location]:
    """An empty table of the run's own, removed on the way out, after an error too, unless it is one of ``keep``.

    A killed run leaves it behind, unseen: no published table refers to it.
    """
    place = warehouse.staging(run_id, spec.name)
    kept = False
    try:
        place.ensure(spark, spec)
        yield place
    except keep:
        kept = True
        raise
    finally:
        if not kept:
            remove(spark, place)


@contextmanager
def staged(
    warehouse: Warehouse,
    run_id: str,
    name: str,
    df: DataFrame,
    keep: type[Exception] | tuple[type[Exception], ...] = (),
) -> Iterator[DataFrame]:
    """Compute ``df`` exactly once, into staging, and give back the stored rows; ``keep`` as for ``staging``."""
    spark = df.sparkSession
    with staging(spark, warehouse, run_id, TableSpec(name, df.schema, statistics=()), keep) as place:
        place.append(df)
        yield place.read(spark)


def remove(spark: SparkSession, place: Location) -> None:
    """Remove a run's table, and the run's folder once it is empty."""
    if place.name is not None:
        spark.sql(f"DROP TABLE IF EXISTS {place.name}")
        return
    # Through Hadoop's file systems: the warehouse may be on any of them.
    jvm = spark._jvm
    assert jvm is not None
    folder = jvm.org.apache.hadoop.fs.Path(place.path)
    file_system = folder.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    file_system.delete(folder, True)
    parent = folder.getParent()
    if file_system.exists(parent) and not file_system.listStatus(parent):
        file_system.delete(parent, False)
