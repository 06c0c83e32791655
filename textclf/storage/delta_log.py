"""Access to Delta's own log and transactions, for commits of files without a Spark job."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from textclf.common.java_classes import JavaClasses
from textclf.spark.companion import lacks_companion

_CHECKSUMS = "spark.databricks.delta.writeChecksumFile.enabled"
_MANAGER = "spark.sql.streaming.checkpointFileManagerClass"
_COMMIT = re.compile(r"\d{20}\.(json$|checkpoint\.)")
"""Names of commits and of checkpoints (Delta protocol, Delta Log Entries)."""


def log_of(spark: SparkSession, path: str) -> Any:
    """Return the Delta log of the table at a path."""
    jvm = JavaClasses(spark._jvm)
    return jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)


def transaction_of(spark: SparkSession, path: str) -> Any:
    """Begin a transaction of Delta's on the newest version of the table at a path; ``readVersion`` is -1 without one.

    Of a new table, Delta would collect the files that the version before the first one has: a Spark job without tasks,
    but with the longest code that Spark makes for any. So this transaction is told that there are none.
    """
    jvm = JavaClasses(spark._jvm)
    log, nothing = log_of(spark, path), none(spark)
    transaction = log.startTransaction(nothing, nothing)
    if transaction.readVersion() >= 0:
        return transaction
    delta, some, before = jvm.org.apache.spark.sql.delta, jvm.scala.Option.apply, log.unsafeVolatileSnapshot()
    empty = some(sequence(spark, []))
    checksum = delta.VersionChecksum(
        *(nothing, 0, 0, nothing, nothing, 1, 1, nothing),  # bytes and files; entries of metadata and protocol
        *(empty, empty, before.metadata(), before.protocol(), nothing, nothing, empty, nothing),
    )
    told = delta.Snapshot(log.logPath(), -1, before.logSegment(), log, some(checksum))
    return log.startTransaction(nothing, some(told))


def none(spark: SparkSession) -> Any:
    """Return Scala's None."""
    jvm = JavaClasses(spark._jvm)
    return jvm.scala.Option.empty()


def sequence(spark: SparkSession, values: Sequence[Any]) -> Any:
    """Make a Scala sequence of values."""
    jvm = JavaClasses(spark._jvm)
    made = jvm.java.util.ArrayList()
    for value in values:
        made.add(value)
    return jvm.scala.jdk.javaapi.CollectionConverters.asScala(made).toSeq()


def listed(found: Any) -> Iterator[Any]:
    """Yield the elements of a Scala sequence."""
    each = found.iterator()
    while each.hasNext():
        yield each.next()


def known_files(snapshot: Any) -> Any | None:
    """Return Delta's entries of a snapshot's files if they are known without a Spark job, otherwise None.

    Delta names the files in the checksum file of a commit as long as they are few (50 of them; Spark's setting
    ``spark.databricks.delta.allFilesInCrc.thresholdNumFiles``). Those of many files are collected by Spark.

    Args:
        snapshot: Delta's snapshot of a table.
    """
    checksum = snapshot.checksumOpt()
    files = checksum.get().allFiles() if checksum.isDefined() else checksum
    if not files.isDefined() or files.get().size() != checksum.get().numFiles():
        return None
    return files.get()


def files_meeting(spark: SparkSession, snapshot: Any, files: Any, expression: Any) -> Any:
    """Return those of a snapshot's files that meet a condition on partition columns, without a Spark job.

    Args:
        spark: An open session.
        snapshot: Delta's snapshot of a table.
        files: Entries of its files, as ``known_files`` returns them.
        expression: Catalyst expression of the condition.
    """
    jvm = JavaClasses(spark._jvm)
    log = snapshot.deltaLog()
    made = jvm.org.apache.spark.sql.delta.files.TahoeBatchFileIndex
    index = made(spark._jsparkSession, "batch", files, log, log.dataPath(), snapshot, False)
    return index.matchingFiles(sequence(spark, [expression]), sequence(spark, []))


def rows_of(spark: SparkSession, snapshot: Any, files: Any) -> DataFrame:
    """Return the rows of some of a snapshot's files. Spark gets the entries, which it would find by a job.

    Args:
        spark: An open session.
        snapshot: Delta's snapshot of a table.
        files: Delta's entries of the files.
    """
    return DataFrame(snapshot.deltaLog().createDataFrame(snapshot, files, False, none(spark)), spark)


def hadoop_path(spark: SparkSession, location: str) -> tuple[Any, Any]:
    """Return Hadoop's file system and path of a location: a warehouse may be on any file system that Hadoop knows."""
    jvm = JavaClasses(spark._jvm)
    path = jvm.org.apache.hadoop.fs.Path(location)
    return path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), path


def identity(spark: SparkSession, location: str) -> str:
    """Return one text for all spellings of a table's location, by which locks and records tell whose table is whose.

    On a local disk it is the path without links and scheme, elsewhere a URL with the host that Hadoop fills in; ``s3``
    and ``s3n`` are ``s3a``. Two hosts that stand for one name node stay two.

    Args:
        spark: An open session.
        location: Path, URL, or name in the catalog.
    """
    if "/" not in location and ":" not in location:
        return location.lower()  # Spark's catalogs do not distinguish case
    system, path = hadoop_path(spark, location)
    url = system.makeQualified(path).toUri()
    scheme, host, inside = url.getScheme(), url.getAuthority() or "", url.getPath().rstrip("/")
    if scheme == "file":
        return os.path.realpath(inside or "/")
    if scheme == "hdfs" and ":" not in host and (service := str(system.getCanonicalServiceName())).count(":") == 1:
        port = service.partition(":")[2]
        host += f":{port}" if port.isdecimal() else ""
    return f"{'s3a' if scheme in ('s3', 's3n') else scheme}://{host}{inside}"


def has_commits(spark: SparkSession, path: str) -> bool:
    """Whether there is a Delta table at a path.

    Delta's own ``isDeltaTable`` also looks for a table in all folders above, which takes four requests for each on an
    object store, and takes what is inside a table for one.
    """
    system, folder = hadoop_path(spark, f"{path}/_delta_log")
    try:
        found = system.listStatus(folder)
    except Py4JJavaError as error:
        if "FileNotFoundException" not in error.java_exception.getClass().getName():
            raise
        return False
    return any(_COMMIT.match(each.getPath().getName()) for each in found)


def spare_requests(spark: SparkSession, folder: str) -> None:
    """Let Delta write its files of checksums by one request each if tables are on an object store.

    Spark would write them aside and rename them, which takes some nine requests. Without the companion in the JVM they
    are left out. Settings that the session has already stay.

    Args:
        spark: An open session.
        folder: Path or URL of the tables.
    """
    if folder.partition(":")[0] not in ("s3a", "s3", "s3n"):
        return
    key, value = (_CHECKSUMS, "false") if lacks_companion(spark) else (_MANAGER, "textclf.ChecksumFiles")
    if spark.conf.get(key, None) is None:
        spark.conf.set(key, value)


def manual_update(spark: SparkSession) -> Any:
    """Return Delta's operation, shown in a table's history, for a commit that is not a write."""
    jvm = JavaClasses(spark._jvm)
    return getattr(getattr(jvm.org.apache.spark.sql.delta, "DeltaOperations$ManualUpdate$"), "MODULE$")


@contextmanager
def with_settings(spark: SparkSession, values: dict[str, str]) -> Iterator[None]:
    """Change settings of the session for the duration of the context."""
    before = {name: spark.conf.get(name, None) for name in values}
    for name, value in values.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, old)


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
