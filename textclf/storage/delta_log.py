"""Access to Delta's own log and transactions, for commits of files without a Spark job."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pyspark.sql import SparkSession


def log_of(spark: SparkSession, path: str) -> Any:
    """Return the Delta log of the table at a path."""
    jvm: Any = spark._jvm
    return jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)


def none(spark: SparkSession) -> Any:
    """Return Scala's None."""
    jvm: Any = spark._jvm
    return jvm.scala.Option.empty()


def sequence(spark: SparkSession, values: Sequence[Any]) -> Any:
    """Make a Scala sequence of values."""
    jvm: Any = spark._jvm
    made = jvm.java.util.ArrayList()
    for value in values:
        made.add(value)
    return jvm.scala.jdk.javaapi.CollectionConverters.asScala(made).toSeq()


def listed(found: Any) -> Iterator[Any]:
    """Yield the elements of a Scala sequence."""
    each = found.iterator()
    while each.hasNext():
        yield each.next()


def hadoop_path(spark: SparkSession, location: str) -> tuple[Any, Any]:
    """Return Hadoop's file system and path of a location: a warehouse may be on any file system that Hadoop knows."""
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(location)
    return path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), path


def manual_update(spark: SparkSession) -> Any:
    """Return Delta's operation, shown in a table's history, for a commit that is not a write."""
    jvm: Any = spark._jvm
    return getattr(getattr(jvm.org.apache.spark.sql.delta, "DeltaOperations$ManualUpdate$"), "MODULE$")


def landed(spark: SparkSession, folder: str, version: int, path: str) -> bool:
    """Whether a commit after ``version`` of a table has added the file ``path``, written as in the log.

    Use this after a commit has raised an error: the commit may have succeeded, and a later step, such as a checkpoint,
    may have failed.
    """
    configuration, store = spark._jsparkSession.sessionState().newHadoopConf(), log_of(spark, folder).store()
    while True:
        version += 1
        system, commit = hadoop_path(spark, f"{folder}/_delta_log/{version:020d}.json")
        if not system.exists(commit):
            return False
        lines = store.readAsIterator(commit, configuration)
        try:
            entries = [json.loads(lines.next()).get("add") for _ in iter(lines.hasNext, False)]
        finally:
            lines.close()
        if any(entry and entry["path"] == path for entry in entries):
            return True
