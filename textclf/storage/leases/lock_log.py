"""The Delta log of one lock, in which each commit holds one lease and nothing else.

If a run holds several locks, all but the first name the lock whose log is renewed for all of them.
"""

import dataclasses
import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import SparkSession

from textclf.common.java_classes import JavaClasses
from textclf.storage.leases.lease import Lease, parsed

_NAME = re.compile(r"[\w-]+")
_COMMIT = re.compile(r"^(\d{20})\.json$")


class LockLog:
    """The Delta log of one lock."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        jvm = JavaClasses(spark._jvm)
        self._spark, self._path = spark, path
        self._jvm = jvm
        self._conf = spark._jsparkSession.sessionState().newHadoopConf()
        folder = jvm.org.apache.hadoop.fs.Path(f"{path}/_delta_log")
        # With its scheme, by which Delta chooses what writes the commits.
        self._folder = folder.getFileSystem(self._conf).makeQualified(folder).toString()
        # Not through a DeltaLog, which reads all commits and fails at a damaged one.
        stores = getattr(getattr(jvm.org.apache.spark.sql.delta.storage, "LogStore$"), "MODULE$")
        self._store = stores.createLogStore(spark._jsparkSession)
        self._scala = jvm.scala.jdk.javaapi.CollectionConverters

    def newest(self) -> tuple[int, Lease | None]:
        """Return the number and content of the newest commit; -1 and None if there is no commit yet.

        An unreadable commit is replaced by a lease made from the commits before it and the time of its file; see
        ``Lease.unreadable``. If another lock is renewed on behalf of this one, the lease's end is read from that lock.
        """
        number, lease = self._newest_kept()
        return number, lease and self._kept_alive(lease)

    def _newest_kept(self) -> tuple[int, Lease | None]:
        try:
            return self._newest()
        except Py4JJavaError as error:
            if kind_of(error) != "FileNotFoundException":
                raise
            return self._newest()  # maintenance has removed it meanwhile, because there is a newer one

    def number(self, since: int = 0) -> int:
        """Return the number of the newest commit from ``since`` on; -1 if there is none."""
        return max(self._commits(since), default=-1)

    def _kept_alive(self, lease: Lease) -> Lease:
        if not lease.held or lease.kept_by is None or not _NAME.fullmatch(lease.kept_by):
            return lease
        _, other = LockLog(self._spark, f"{self._path.rpartition('/')[0]}/{lease.kept_by}")._newest_kept()
        if other is None or not other.run_id:
            return lease
        if other.run_id != lease.run_id or not other.held:
            return dataclasses.replace(lease, expires=lease.since)  # without its first lock the run publishes nothing
        return dataclasses.replace(lease, renewed=other.renewed, expires=other.expires)

    def _newest(self) -> tuple[int, Lease | None]:
        found = self._commits()
        if not found:
            return -1, None
        newest = max(found)
        if (lease := self._read(newest)) is not None:
            return newest, lease
        earlier = map(self._read_if_there, sorted(found.keys() - {newest}, reverse=True))
        return newest, Lease.unreadable(found[newest], next(filter(None, earlier), None))

    def _read(self, number: int) -> Lease | None:
        """Read the lease in a commit; None if it is unreadable."""
        lines = self._store.readAsIterator(self._file(number), self._conf)
        try:
            first = json.loads(lines.next()) if lines.hasNext() else {}
            return parsed(json.loads(first["commitInfo"]["userMetadata"]))
        except (KeyError, TypeError, ValueError):
            return None
        finally:
            lines.close()

    def _read_if_there(self, number: int) -> Lease | None:
        try:
            return self._read(number)
        except Py4JJavaError as error:
            if kind_of(error) != "FileNotFoundException":
                raise
            return None  # maintenance removes old commits

    def commit(self, number: int, lease: Lease) -> bool:
        """Write a commit. Returns False if another writer has already used its number."""
        lines = self._jvm.java.util.ArrayList()
        for action in _actions(number, lease):
            lines.add(json.dumps(action))
        path = self._file(number)
        if number == 0:
            path.getFileSystem(self._conf).mkdirs(path.getParent())
        try:
            self._store.write(path, self._scala.asScala(lines.iterator()), False, self._conf)
        except Py4JJavaError as error:
            if kind_of(error) != "FileAlreadyExistsException":
                raise
            return False
        return True

    def _commits(self, since: int = 0) -> dict[int, datetime]:
        """List the commits from ``since`` on: their numbers, and when each was stored."""
        try:
            listed = self._scala.asJava(self._store.listFrom(self._file(since), self._conf))
            files = [listed.next() for _ in iter(listed.hasNext, False)]
        except Py4JJavaError as error:
            if kind_of(error) != "FileNotFoundException":
                raise
            return {}
        found = {}
        for each in files:
            if match := _COMMIT.match(each.getPath().getName()):
                found[int(match[1])] = datetime.fromtimestamp(each.getModificationTime() / 1000, UTC)
        return found

    def trim(self, newest: int) -> int:
        """Remove the commits before ``newest``, which are no longer needed. Returns how many were removed."""
        count = 0
        for number in self._commits():
            if number < newest:
                path = self._file(number)
                count += bool(path.getFileSystem(self._conf).delete(path, False))
        return count

    def _file(self, number: int) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(f"{self._folder}/{number:020d}.json")


def _actions(number: int, lease: Lease) -> Iterator[dict[str, Any]]:
    """Yield the lines of a commit. The first commit creates an empty table, so that Delta can describe the log."""
    now = int(time.time() * 1000)
    operation = "LOCK" if lease.held else "UNLOCK"
    info = {"timestamp": now, "operation": operation, "operationParameters": {}}
    yield {"commitInfo": info | {"userMetadata": json.dumps(asdict(lease))}}
    if number == 0:
        yield {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
        empty = json.dumps({"type": "struct", "fields": []})
        table = {"id": str(uuid4()), "format": {"provider": "parquet", "options": {}}, "schemaString": empty}
        yield {"metaData": table | {"partitionColumns": [], "configuration": {}, "createdTime": now}}


def kind_of(error: Py4JError) -> str:
    """Return the class name of the Java exception, or of the Python exception if the JVM itself is gone."""
    if isinstance(error, Py4JJavaError):
        return str(error.java_exception.getClass().getSimpleName())
    return type(error).__name__
