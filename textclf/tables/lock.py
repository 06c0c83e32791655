"""One run at a time for each day of a table: a lease that its holder renews, with a Delta log as the arbiter.

Each lock is a Delta log of its own. Whoever commits the next number holds it: Delta's LogStore lets one writer have a
number, on every file system and object store that Delta itself is safe on. The holder commits again before its lease
ends; who is killed does not, and the next run takes over by committing the number after the dead one's. A holder that
was held up longer than its lease finds its number taken, and stops before it publishes. Clocks of different machines
must agree within the lease.

A commit that cannot be read, as a power loss leaves one of no length, is taken for the last sign of life of whoever
wrote it: the lock is free one lease after the file was stored. Fields of a later release are left out.
"""

import dataclasses
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import EllipsisType
from typing import Any
from uuid import uuid4

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import SparkSession

from textclf.errors import LockError
from textclf.logs import say
from textclf.tables.lease import Lease as Lease
from textclf.tables.lease import parsed, process_name

_COMMIT = re.compile(r"^(\d{20})\.json$")
UNDATED = "undated"
"""Instead of a day: held by a run whose days only its input tells, from its beginning."""
NIGHTLY = "nightly"
"""Instead of a day: held by a nightly run, whatever its days."""
Held = date | str | None
"""What a lock is on: a day, None for rows without one, ``UNDATED``, ``NIGHTLY``, or what ``searched`` gives."""
_SPOKEN: dict[Held, str] = {None: "rows without a date", UNDATED: "all days of an input", NIGHTLY: "the nights"}
_SEARCH = "search-"
_SEARCHES = 64  # locks for the searches of all sources: each is a commit every third of a lease
_ATTEMPTS = 20  # others may take the next number, but only to say that they hold or leave the lock


class LockLog:
    """The Delta log of one lock."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        jvm: Any = spark._jvm
        self._jvm, self._folder = jvm, f"{path}/_delta_log"
        self._conf = spark._jsparkSession.sessionState().newHadoopConf()
        # Not by way of a DeltaLog, which reads all commits and gives up at one that is damaged.
        stores = getattr(getattr(jvm.org.apache.spark.sql.delta.storage, "LogStore$"), "MODULE$")
        self._store = stores.createLogStore(spark._jsparkSession)
        self._scala = jvm.scala.jdk.javaapi.CollectionConverters

    def newest(self) -> tuple[int, Lease | None]:
        """Number and content of the newest commit; -1 where there is none yet.

        Content that cannot be read is made up from the commits before and from the file's time, as ``Lease`` says.
        """
        try:
            return self._newest()
        except Py4JJavaError as error:
            if _kind(error) != "FileNotFoundException":
                raise
            return self._newest()  # upkeep has removed it meanwhile, as there is a newer one

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
        """What a commit says; None where that cannot be read."""
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
            if _kind(error) != "FileNotFoundException":
                raise
            return None  # upkeep removes old commits

    def commit(self, number: int, lease: Lease) -> bool:
        """Write that commit; False where another writer already has."""
        lines = self._jvm.java.util.ArrayList()
        for action in _actions(number, lease):
            lines.add(json.dumps(action))
        path = self._file(number)
        path.getFileSystem(self._conf).mkdirs(path.getParent())
        try:
            self._store.write(path, self._scala.asScala(lines.iterator()), False, self._conf)
        except Py4JJavaError as error:
            if _kind(error) != "FileAlreadyExistsException":
                raise
            return False
        return True

    def _commits(self) -> dict[int, datetime]:
        """Number of each commit, and when it was stored."""
        try:
            listed = self._scala.asJava(self._store.listFrom(self._file(0), self._conf))
            files = [listed.next() for _ in iter(listed.hasNext, False)]
        except Py4JJavaError as error:
            if _kind(error) != "FileNotFoundException":
                raise
            return {}
        found = {}
        for each in files:
            if match := _COMMIT.match(each.getPath().getName()):
                found[int(match[1])] = datetime.fromtimestamp(each.getModificationTime() / 1000, UTC)
        return found

    def trim(self, newest: int) -> int:
        """Remove the commits before ``newest``, which says all that is needed; their number."""
        count = 0
        for number in self._commits():
            if number < newest:
                path = self._file(number)
                count += bool(path.getFileSystem(self._conf).delete(path, False))
        return count

    def _file(self, number: int) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(f"{self._folder}/{number:020d}.json")


@dataclass
class _Taken:
    log: LockLog
    day: Held
    number: int = -1
    orphans: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Locks:
    """The locks that a run holds, all renewed by one thread."""

    spark: SparkSession
    folder: str
    output: str
    run_id: str
    job: str
    lease: float
    _taken: dict[str, _Taken] = field(default_factory=dict)
    _since: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    _renewed: float = field(default_factory=time.monotonic)
    _lost: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    def take(self, days: Iterable[Held]) -> None:
        """Take the locks of these days; those that the run has it keeps.

        Raises:
            LockError: Another run has one of them; what was taken is given back when the run ends.
        """
        # All runs take several locks in the same order, so that of two that want the same days one gets them all.
        for day in sorted(set(days), key=str):
            name = lock_name(self.output, day)
            with self._guard:
                if name not in self._taken:
                    taken = _Taken(LockLog(self.spark, f"{self.folder}/{name}"), day)
                    self._acquire(taken)
                    self._taken[name] = taken

    @property
    def abandoned(self) -> list[tuple[Lease, Held]]:
        """Leases of dead runs that nobody has recorded, with what they were on."""
        with self._guard:
            found = [(parsed(lease), taken.day) for taken in self._taken.values() for lease in taken.orphans]
        return [(lease, day) for lease, day in found if lease is not None]

    def recorded(self) -> None:
        """Forget the dead runs: they have records now."""
        with self._guard:
            for taken in self._taken.values():
                taken.orphans = []

    def check(self, day: Held | EllipsisType = ...) -> None:
        """Make sure, before a publish, that every lock, or the one of a day alone, is still ours.

        Raises:
            LockError: The lease ended without a renewal, or another run took over.
        """
        with self._guard:
            late = time.monotonic() - self._renewed > self.lease
            asked = [taken for taken in self._taken.values() if day is ... or taken.day == day]
            if self._lost or late or any(taken.log.newest()[0] != taken.number for taken in asked):
                raise LockError(
                    "This run was held up for so long that its lock went to another run; it published nothing more.",
                    received=f"no renewal within {self.lease:g} seconds",
                    expected="a renewal in time",
                    fix="run it again; where machines stall for long, set a longer lease under [lock]",
                )

    def _acquire(self, taken: _Taken) -> None:
        for _ in range(_ATTEMPTS):
            number, lease = taken.log.newest()
            if lease is not None and not lease.free:
                raise _held(lease, self.output, taken.day)
            taken.number, taken.orphans = number + 1, _orphans(lease)
            # The second look: a number that was free because upkeep has removed it is not the newest.
            if taken.log.commit(number + 1, self._signed(taken)) and taken.log.newest()[0] == number + 1:
                return
        raise LockError(
            "The lock could not be had.",
            received=f"other runs that took and left it in {_ATTEMPTS} attempts",
            expected="a free lock",
            fix="run it again when fewer runs want the same day",
        )

    def _signed(self, taken: _Taken, *, held: bool = True) -> Lease:
        now = datetime.now(UTC)
        ends = (now + timedelta(seconds=self.lease)).isoformat()
        host, pid = os.uname().nodename, os.getpid()
        return Lease(
            self.run_id,
            self.job,
            self.output,
            host,
            pid,
            process_name(pid),
            self._since,
            now.isoformat(),
            ends,
            held,
            taken.orphans,
        )

    def _keep_alive(self) -> None:
        while not self._ended.wait(self.lease / 3):
            with self._guard:
                try:
                    self._lost = self._lost or not all(map(self._renew, self._taken.values()))
                except Py4JError as error:  # storage may be back for the next try; if not, the lease runs out
                    say(f"The lock of run {self.run_id} could not be renewed: {_kind(error)}", "warning")
                else:
                    self._renewed = time.monotonic()

    def _renew(self, taken: _Taken) -> bool:
        if not taken.log.commit(taken.number + 1, self._signed(taken)):
            return False
        taken.number += 1
        return True

    def _release(self) -> None:
        with self._guard:
            try:
                for taken in self._taken.values():
                    # A number that is taken already belongs to who took over.
                    taken.log.commit(taken.number + 1, self._signed(taken, held=False))
            except Py4JError as error:
                say(
                    f"The lock of run {self.run_id} could not be given back ({_kind(error)}); "
                    f"it is free in {self.lease:g} seconds.",
                    "warning",
                )
            self._taken.clear()


@contextmanager
def locked(spark: SparkSession, folder: str, output: str, run_id: str, job: str, lease: float) -> Iterator[Locks]:
    """Locks on the days of a table, none taken yet; all are given back on the way out.

    Args:
        folder: Where locks are kept.
        output: The table, as its location is called.
        lease: Seconds without a sign of life after which a lock is free.
    """
    locks = Locks(spark, folder, output, run_id, job, lease)
    beat = threading.Thread(target=locks._keep_alive, name=f"lock {run_id}", daemon=True)
    beat.start()
    try:
        yield locks
    finally:
        locks._ended.set()
        beat.join()
        locks._release()


def searched(source: str) -> str:
    """Instead of a day: held by a search of that source, on the table of trials; some sources share one."""
    return f"{_SEARCH}{int(hashlib.sha256(source.encode()).hexdigest(), 16) % _SEARCHES:02d}"


def lock_name(output: str, day: Held) -> str:
    """Folder of the lock of a day of a table: the same for every run, safe as a name."""
    return f"{day or 'no-date'}-{hashlib.sha256(output.encode()).hexdigest()[:16]}"


def lock_day(name: str) -> str:
    """The day in a lock's name, which names the same lock again."""
    return name.rpartition("-")[0]


def _orphans(lease: Lease | None) -> list[dict[str, Any]]:
    """Dead runs that whoever takes over after this lease has to record."""
    if lease is None:
        return []
    died = lease.held and lease.run_id  # without one there is no run to record
    return lease.orphans + ([asdict(dataclasses.replace(lease, orphans=[]))] if died else [])


def _occupied(day: Held) -> str:
    if str(day).startswith(_SEARCH):
        return "Another search works on the same sources, or on some that share a lock with them."
    return "Another nightly run is at work." if day == NIGHTLY else "Another run works on this day of the table."


def _held(lease: Lease, output: str, day: Held) -> LockError:
    return LockError(
        _occupied(day),
        received=f"run {lease.run_id or 'unknown'} of {lease.job}, process {lease.pid} on {lease.host}, "
        f"since {lease.since}, "
        f"last sign of life {lease.renewed}",
        expected=f"no other run on {_SPOKEN.get(day, day)} of {output}",
        fix=f"wait until it ends; if it was killed, its lock is free from {lease.expires} on",
    )


def _actions(number: int, lease: Lease) -> Iterator[dict[str, Any]]:
    """The lines of a commit; the first commit makes the log that of an empty table, which Delta can describe."""
    now = int(time.time() * 1000)
    operation = "LOCK" if lease.held else "UNLOCK"
    info = {"timestamp": now, "operation": operation, "operationParameters": {}}
    yield {"commitInfo": info | {"userMetadata": json.dumps(asdict(lease))}}
    if number == 0:
        yield {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
        empty = json.dumps({"type": "struct", "fields": []})
        table = {"id": str(uuid4()), "format": {"provider": "parquet", "options": {}}, "schemaString": empty}
        yield {"metaData": table | {"partitionColumns": [], "configuration": {}, "createdTime": now}}


def _kind(error: Py4JError) -> str:
    """Name of the Java exception, or of Python's where Java itself is gone."""
    if isinstance(error, Py4JJavaError):
        return str(error.java_exception.getClass().getSimpleName())
    return type(error).__name__
