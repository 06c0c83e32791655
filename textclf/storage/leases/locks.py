"""One run at a time for each day of a table: a lease that its holder renews, with a Delta log as the arbiter.

Each lock is a Delta log of its own. Whoever commits the next number holds it: Delta's LogStore lets one writer have a
number, on every file system and object store that Delta itself is safe on. The holder commits again before its lease
ends; who is killed does not, and the next run takes over by committing the number after the dead one's. A holder that
was held up longer than its lease finds its number taken, and stops before it publishes (``Fence``). Clocks of different
machines must agree within the lease.

Of several locks a run renews the first alone, and the others name it: hundreds of days cost one write each time.

A commit that cannot be read, as a power loss leaves one of no length, is taken for the last sign of life of whoever
wrote it: the lock is free one lease after the file was stored. Fields of a later release are left out.
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
from textclf.storage.leases.lease import Lease as Lease
from textclf.storage.leases.lease import parsed, process_name
from textclf.storage.leases.lock_log import LockLog as LockLog
from textclf.storage.leases.lock_log import kind_of

UNDATED = "undated"
"""Instead of a day: held by a run whose days only its input tells, from its beginning."""
NIGHTLY = "nightly"
"""Instead of a day: held by a nightly run, whatever its days."""
UPKEEP = "upkeep"
"""Instead of a day: held while published tables are tended to; who publishes waits for it."""
Held = date | str | None
"""What a lock is on: a day, None for rows without one, one of the words above, or what ``searched`` gives."""
_SPOKEN: dict[Held, str] = {
    None: "rows without a date",
    UNDATED: "all days of an input",
    NIGHTLY: "the nights",
    UPKEEP: "upkeep",
}
_SEARCH = "search-"
_SEARCHES = 64  # locks for the searches of all sources
_ATTEMPTS = 20  # others may take the next number, but only to say that they hold or leave the lock
_AT_ONCE = 16  # locks that are looked at or given back
_TURN = 0.5  # seconds between two looks at a lock that is waited for


@dataclass
class _Taken:
    log: LockLog
    day: Held
    number: int = -1
    orphans: list[dict[str, Any]] = field(default_factory=list)
    kept_by: str | None = None

    def ours(self) -> bool:
        """Whether its newest commit is still that of the run."""
        return self.log.number(self.number) == self.number


@dataclass
class Locks:
    """The locks that a run holds, all kept alive by one thread, which renews the first.

    Attributes:
        clock: Seconds since any moment; lateness and pauses between renewals are measured with it.
        wait: Waits for that event, at most so many seconds; True once it is set.
    """

    spark: SparkSession
    folder: str
    output: str
    run_id: str
    job: str
    lease: float
    _: KW_ONLY
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    _taken: dict[str, _Taken] = field(default_factory=dict)
    _since: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    _renewed: float = field(init=False)
    _lost: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)  # of the first lock, and of what is taken
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._renewed = self.clock()

    def take(self, days: Iterable[Held]) -> None:
        """Take the locks of these days; those that the run has it keeps.

        Raises:
            LockError: Another run has one of them; what was taken is given back when the run ends.
        """
        # All runs take several locks in the same order, so that of two that want the same days one gets them all.
        for day in sorted(set(days), key=str):
            name = lock_name(self.output, day)
            if name not in self._taken:
                taken = _Taken(self._log(day), day, kept_by=next(iter(self._taken), None))
                self._acquire(taken)
                with self._guard:
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

        After the end: that they were ours until they were given back.

        Raises:
            LockError: The lease ended without a renewal, or another run took over.
        """
        with self._guard:
            first, others = self._all()
            late = self.clock() - self._renewed > self.lease and not self._ended.is_set()
            lost = self._lost or late or not all(taken.ours() for taken in first)
        if lost or not all(_each(_Taken.ours, [taken for taken in others if day is ... or taken.day == day])):
            raise LockError(
                "This run was held up for so long that its lock went to another run; it published nothing more.",
                received=f"no renewal within {self.lease:g} seconds",
                expected="a renewal in time",
                fix="run it again; where machines stall for long, set a longer lease under [lock]",
            )

    def await_free(self, day: Held, output: str | None = None) -> None:
        """Wait until no other run that is alive has the lock of a day, of another table where that is given.

        Raises:
            StoppedError: The run was asked to stop meanwhile.
        """
        log, said = self._log(day, output), False
        while (lease := log.newest()[1]) is not None and not lease.free and lease.run_id != self.run_id:
            if not said:
                say(f"Waiting for run {lease.run_id} of {lease.job}, which has {_spoken(day)}.")
            said = True
            cancellation.check()
            time.sleep(_TURN)

    def _all(self) -> tuple[list[_Taken], list[_Taken]]:
        """The first lock, which is renewed, and the others."""
        taken = list(self._taken.values())
        return taken[:1], taken[1:]

    def _log(self, day: Held, output: str | None = None) -> LockLog:
        return LockLog(self.spark, f"{self.folder}/{lock_name(output or self.output, day)}")

    def _acquire(self, taken: _Taken) -> None:
        for _ in range(_ATTEMPTS):
            number, lease = taken.log.newest()
            if lease is not None and not lease.free:
                raise _held(lease, self.output, taken.day)
            taken.number, taken.orphans = number + 1, _orphans(lease)
            # The second look: a number that was free because upkeep has removed it is not the newest.
            if taken.log.commit(number + 1, self._signed(taken)) and taken.ours():
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
            # From the beginning of one to that of the next: a slow write takes nothing from the time that is left.
            pause = max(begin + often - self.clock(), 0.0)

    def _renew(self) -> None:
        """Renew the first lock, and with it all of them."""
        with self._guard:
            begin, (first, _) = self.clock(), self._all()
            for taken in first if not self._lost else ():
                if taken.log.commit(taken.number + 1, self._signed(taken)):
                    taken.number += 1
                else:
                    self._lost = not self._found(taken)
            self._renewed = begin  # as others count: the lease is signed before it is written

    def _found(self, taken: _Taken) -> bool:
        """Whether the commit that stands in the way is the run's own: storage may fail when it has stored it."""
        number, lease = taken.log.newest()
        ours = lease is not None and lease.run_id == self.run_id and lease.held
        taken.number = number if ours else taken.number
        return ours

    def _release(self) -> None:
        def give_back(taken: _Taken) -> bool:
            # A number that is taken already belongs to who took over, or to a renewal whose answer was lost.
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
    """Locks on the days of a table, none taken yet; all are given back on the way out.

    Args:
        folder: Where locks are kept.
        output: The table, as its location is called.
        lease: Seconds without a sign of life after which a lock is free.
        wait: How the renewing thread waits, as ``Locks`` says.
    """
    locks = Locks(spark, folder, output, run_id, job, lease, wait=wait)
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
    if day == UPKEEP:
        return "The tables of results are being tended to."
    return "Another nightly run is at work." if day == NIGHTLY else "Another run works on this day of the table."


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
