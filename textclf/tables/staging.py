"""Rows of a run that nobody sees yet: written once, counted, then published or thrown away."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession

from textclf.tables.warehouse import Location, Warehouse


@contextmanager
def staged(warehouse: Warehouse, run_id: str, name: str, df: DataFrame) -> Iterator[DataFrame]:
    """Compute ``df`` exactly once, into storage of the run's own, and give back the stored rows.

    The stored rows are removed on the way out, after an error too. A killed run leaves them behind, unseen:
    no table refers to them.
    """
    spark = df.sparkSession
    place = warehouse.staging(run_id, name)
    try:
        place.write(df)
        yield place.read(spark)
    finally:
        _remove(spark, place)


def _remove(spark: SparkSession, place: Location) -> None:
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
