"""Locks that allow one run at a time for each day of a table. The holder renews a lease; a Delta log is the arbiter.

Each lock is a Delta log of its own. The run that commits the next number holds the lock: Delta's LogStore gives a
number to one writer only, on every file system and object store that Delta is safe on. The holder commits again before
its lease ends. A killed run does not, and the next run takes over by committing the number after the dead run's. A
holder that is delayed longer than its lease finds its number taken, and stops before it publishes (``Fence``). Clocks
of different machines must agree within the lease.

A run that holds several locks renews only the first, and the others name it: hundreds of days cost one write each time.

An unreadable commit, such as the empty file that a power loss may leave, counts as the last sign of life of its writer:
the lock is free one lease after the file was stored. Fields of later releases are ignored.
"""

import dataclasses
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import KW_ONLY, asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import EllipsisType
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from textclf.common.logs import say
from textclf.errors import LockError
from textclf.spark import cancellation
from textclf.storage.delta_log import identity
from textclf.storage.leases.exclusive_writes import check_exclusive_writes
from textclf.storage.leases.lease import Lease as Lease
from textclf.storage.leases.lease import parsed, process_name
from textclf.storage.leases.lock_log import LockLog as LockLog
from textclf.storage.leases.lock_log import kind_of

UNDATED = "undated"
"""In place of a day: held by a run from its beginning if only its input tells which days it has."""
NIGHTLY = "nightly"
"""In place of a day: held by a chain of steps, that is by the jobs nightly and run, whatever its days."""
UPKEEP = "upkeep"
"""In place of a day: held during maintenance of published tables; runs wait for it before they publish."""
Held = date | str | None
"""What a lock is on: a day, None for rows without a day, one of the constants above, or a result of ``searched``."""
_SPOKEN: dict[Held, str] = {
    None: "rows without a date",
    UNDATED: "all days of an input",
    NIGHTLY: "the chain of steps",
    UPKEEP: "maintenance",
}
_SEARCH = "search-"
_SEARCHES = 64  # number of locks that the searches of all sources share
_ATTEMPTS = 20  # another run may take the next number, but only to take or give back the lock
_AT_ONCE = 16  # locks that are checked or given back in parallel
_TURN = 0.5  # seconds between two checks of a lock that a run waits for


@dataclass
class _Taken:
    log: LockLog
    day: Held
    number: int = -1
    orphans: list[dict[str, Any]] = field(default_factory=list)
    kept_by: str | None = None

    def ours(self) -> bool:
        """Whether the newest commit of the lock is still the run's."""
        return self.log.number(self.number) == self.number


@dataclass
class Locks:
    """The locks that a run holds. One thread keeps all of them alive by renewing the first.

    Attributes:
        identity: What is the same for all spellings of the table; by default ``output``.
        clock: Clock in seconds that measures lateness and the pauses between renewals.
        wait: Function that waits for an event for at most that many seconds; True once the event is set.
    """

    spark: SparkSession
    folder: str
    output: str
    run_id: str
    job: str
    lease: float
    _: KW_ONLY
    identity: str = ""
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    _taken: dict[str, _Taken] = field(default_factory=dict)
    _since: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    _renewed: float = field(init=False)
    _lost: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)  # guards the first lock and _taken
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.identity = self.identity or self.output
        self._renewed = self.clock()

    def take(self, days: Iterable[Held]) -> None:
        """Take the locks of these days; locks that the run holds already are kept.

        Raises:
            LockError: Another run holds one of them. Locks taken so far are given back when the run ends.
        """
        # All runs take locks in the same order, so that one of two runs that want the same days gets all of them.
        for day in sorted(set(days), key=str):
            name = lock_name(self.identity, day)
            if name not in self._taken:
                taken = _Taken(self._log(day), day, kept_by=next(iter(self._taken), None))
                self._acquire(taken)
                with self._guard:
                    self._taken[name] = taken

    @property
    def abandoned(self) -> list[tuple[Lease, Held]]:
        """Leases of dead runs that have no run record yet, each with what it was on."""
        with self._guard:
            found = [(parsed(lease), taken.day) for taken in self._taken.values() for lease in taken.orphans]
        return [(lease, day) for lease, day in found if lease is not None]

    def recorded(self) -> None:
        """Forget the dead runs, because they have run records now."""
        with self._guard:
            for taken in self._taken.values():
                taken.orphans = []

    def check(self, day: Held | EllipsisType = ...) -> None:
        """Check, before a publish, that the run still holds all of its locks, or those of one day.

        After the locks are given back, check that the run held them until then.

        Args:
            day: Day whose lock is checked besides the first; by default all locks are checked.

        Raises:
            LockError: The lease ended without a renewal, or another run took over.
        """
        with self._guard:
            first, others = self._all()
            late = self.clock() - self._renewed > self.lease and not self._ended.is_set()
            lost = self._lost or late or not all(taken.ours() for taken in first)
        if lost or not all(_each(_Taken.ours, [taken for taken in others if day is ... or taken.day == day])):
            raise LockError(
                "This run was held up for so long that it lost its lock to another run; it published nothing more.",
                received=f"no renewal within {self.lease:g} seconds",
                expected="a renewal in time",
                fix="run it again; if machines stall for long, set a longer lease under [lock]",
            )

    def await_free(self, day: Held, output: str | None = None) -> None:
        """Wait until no other live run holds the lock of a day.

        Args:
            day: Day to wait for.
            output: Table of the lock; by default the table of these locks.

        Raises:
            StoppedError: The run was asked to stop while it waited.
        """
        log, said = self._log(day, output), False
        while (lease := log.newest()[1]) is not None and not lease.free and lease.run_id != self.run_id:
            if not said:
                say(f"Waiting for run {lease.run_id} of {lease.job}, which holds the lock on {_spoken(day)}.")
            said = True
            cancellation.check()
            time.sleep(_TURN)

    def _all(self) -> tuple[list[_Taken], list[_Taken]]:
        """Return the first lock, which is renewed, and the others."""
        taken = list(self._taken.values())
        return taken[:1], taken[1:]

    def _log(self, day: Held, output: str | None = None) -> LockLog:
        table = identity(self.spark, output) if output else self.identity
        return LockLog(self.spark, f"{self.folder}/{lock_name(table, day)}")

    def _acquire(self, taken: _Taken) -> None:
        for _ in range(_ATTEMPTS):
            number, lease = taken.log.newest()
            if lease is not None and not lease.free:
                raise _held(lease, self.output, taken.day)
            taken.number, taken.orphans = number + 1, _orphans(lease)
            # Check again: a number may be free because maintenance has removed its commit, and is then not the newest.
            if taken.log.commit(number + 1, self._signed(taken)) and taken.ours():
                return
        raise LockError(
            "The lock could not be taken.",
            received=f"other runs took it first in {_ATTEMPTS} attempts",
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
            taken.kept_by,
        )

    def _keep_alive(self) -> None:
        pause = self.lease / 3
        while not self.wait(self._ended, pause):
            begin, often = self.clock(), self.lease / 3
            try:
                self._renew()
            except Py4JError as error:  # storage may be back for the next try; if not, the lease runs out
                say(f"The lock of run {self.run_id} could not be renewed: {kind_of(error)}", "warning")
                often = self.lease / 12
            # Count from the beginning of one renewal to the beginning of the next, so that a slow write does not delay
            # the next renewal.
            pause = max(begin + often - self.clock(), 0.0)

    def _renew(self) -> None:
        """Renew the first lock, and thereby all of them."""
        with self._guard:
            begin, (first, _) = self.clock(), self._all()
            for taken in first if not self._lost else ():
                if taken.log.commit(taken.number + 1, self._signed(taken)):
                    taken.number += 1
                else:
                    self._lost = not self._found(taken)
            self._renewed = begin  # as other runs count: the times in the lease are set before it is written

    def _found(self, taken: _Taken) -> bool:
        """Whether the commit with the next number is the run's own: storage may report a failure after storing it."""
        number, lease = taken.log.newest()
        ours = lease is not None and lease.run_id == self.run_id and lease.held
        taken.number = number if ours else taken.number
        return ours

    def _release(self) -> None:
        def give_back(taken: _Taken) -> bool:
            # A number that is already taken belongs to a run that took over, or to a renewal whose answer was lost.
            given = self._signed(taken, held=False)
            return taken.log.commit(taken.number + 1, given) or (
                self._found(taken) and taken.log.commit(taken.number + 1, given)
            )

        with self._guard:
            try:
                first, others = self._all()
                ours = [*_each(give_back, others), *_each(give_back, first)]
            except Py4JError as error:
                say(
                    f"The lock of run {self.run_id} could not be given back ({kind_of(error)}); "
                    f"it is free in {self.lease:g} seconds.",
                    "warning",
                )
                ours = [False]
            self._lost = self._lost or not all(ours)
            self._taken.clear()


def _each(work: Callable[[_Taken], bool], taken: Sequence[_Taken]) -> list[bool]:
    if len(taken) < 2:
        return list(map(work, taken))
    with ThreadPoolExecutor(min(len(taken), _AT_ONCE)) as pool:
        return list(pool.map(work, taken))


@contextmanager
def locked(
    spark: SparkSession,
    folder: str,
    output: str,
    run_id: str,
    job: str,
    lease: float,
    *,
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
) -> Iterator[Locks]:
    """Yield locks on the days of a table, of which none is taken yet, and give all of them back on exit.

    Args:
        spark: An open session.
        folder: Folder of the locks.
        output: Table, as the text of its location; all spellings of one location have the same locks.
        run_id: Identifier of the run.
        job: Job of the run.
        lease: Seconds without a sign of life after which a lock is free.
        wait: Function with which the renewing thread waits; see ``Locks``.
    """
    for place in (folder, output):
        check_exclusive_writes(spark, place)
    locks = Locks(spark, folder, output, run_id, job, lease, identity=identity(spark, output), wait=wait)
    beat = threading.Thread(target=locks._keep_alive, name=f"lock {run_id}", daemon=True)
    beat.start()
    try:
        yield locks
    finally:
        locks._ended.set()
        beat.join()
        locks._release()


def searched(source: str) -> str:
    """Return what a search of a source locks in place of a day, on the table of trials; some sources share a lock."""
    return f"{_SEARCH}{int(hashlib.sha256(source.encode()).hexdigest(), 16) % _SEARCHES:02d}"


def lock_name(table: str, day: Held) -> str:
    """Return the folder name of a day's lock, which is the same for every run and safe as a file name.

    Args:
        table: Identity of the table, see ``delta_log.identity``.
        day: What the lock is on.
    """
    return f"{day or 'no-date'}-{hashlib.sha256(table.encode()).hexdigest()[:16]}"


def lock_day(name: str) -> str:
    """Return the day, as text, from a lock's name; it names the same lock again."""
    return name.rpartition("-")[0]


def _orphans(lease: Lease | None) -> list[dict[str, Any]]:
    """Return the dead runs that a run taking over after this lease has to record."""
    if lease is None:
        return []
    died = lease.held and lease.run_id  # without an identifier there is no run to record
    return lease.orphans + ([asdict(dataclasses.replace(lease, orphans=[]))] if died else [])


def _occupied(day: Held) -> str:
    if str(day).startswith(_SEARCH):
        return "Another search is working on the same sources, or on sources that share a lock with them."
    if day == UPKEEP:
        return "Maintenance of the result tables is running."
    if day == NIGHTLY:
        return "Another chain of steps is running: the job nightly or run."
    return "Another run is working on this day of the table."


def _spoken(day: Held) -> str:
    return _SPOKEN.get(day, str(day))


def _held(lease: Lease, output: str, day: Held) -> LockError:
    return LockError(
        _occupied(day),
        received=f"run {lease.run_id or 'unknown'} of {lease.job}, process {lease.pid} on {lease.host}, "
        f"since {lease.since}, "
        f"last sign of life {lease.renewed}",
        expected=f"no other run on {_spoken(day)} of {output}",
        fix=f"wait until it ends; if it was killed, its lock is free from {lease.expires} on",
    )
