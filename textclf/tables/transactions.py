"""Delta's own log and transactions, for commits of files that no Spark job has to write."""

from collections.abc import Iterator, Sequence
from typing import Any

from pyspark.sql import SparkSession


def log_of(spark: SparkSession, path: str) -> Any:
    """Delta's log of the table at a path."""
    jvm: Any = spark._jvm
    return jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)


def none(spark: SparkSession) -> Any:
    """Scala's None."""
    jvm: Any = spark._jvm
    return jvm.scala.Option.empty()


def sequence(spark: SparkSession, values: Sequence[Any]) -> Any:
    """A Scala sequence."""
    jvm: Any = spark._jvm
    made = jvm.java.util.ArrayList()
    for value in values:
        made.add(value)
    return jvm.scala.jdk.javaapi.CollectionConverters.asScala(made).toSeq()


def listed(found: Any) -> Iterator[Any]:
    """What a Scala sequence holds."""
    each = found.iterator()
    while each.hasNext():
        yield each.next()


def hadoop_path(spark: SparkSession, location: str) -> tuple[Any, Any]:
    """The file system and path of a location, of Hadoop: a warehouse may be on any that it knows."""
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(location)
    return path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), path
