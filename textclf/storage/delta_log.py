"""Delta's own log and transactions, for commits of files that no Spark job has to write."""

import json
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


def manual_update(spark: SparkSession) -> Any:
    """The name, in a table's history, of a commit that is no write."""
    jvm: Any = spark._jvm
    return getattr(getattr(jvm.org.apache.spark.sql.delta, "DeltaOperations$ManualUpdate$"), "MODULE$")


def landed(spark: SparkSession, folder: str, version: int, path: str) -> bool:
    """Whether a commit after that version of a table has added the file ``path``, as the log writes it.

    For who sees an error of a commit: what comes after it, a checkpoint perhaps, may be what failed.
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
