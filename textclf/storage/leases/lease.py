"""Leases: the content of a lock's commit, which says who holds the lock and until when."""

import dataclasses
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

DEFAULT = 60.0
"""Lease in seconds for a lock without any readable commit; the default of ``[lock] lease``."""


@dataclass(frozen=True)
class Lease:
    """Content of the newest commit of a lock.

    Attributes:
        run_id: Identifier of the run that holds the lock.
        job: Job of the run.
        output: Table that the lock belongs to.
        host: Name of the run's machine.
        pid: Process number of the run.
        process: Name of machine, process and its start time; None if the system cannot identify them.
        since: Time in UTC, in ISO form, when the run began to hold locks.
        renewed: Time in UTC, in ISO form, of the last renewal.
        expires: Time in UTC, in ISO form, after which the lock is free.
        held: Whether the lock is held; False in the commit that gives it back.
        orphans: Leases of dead runs, as ``asdict`` gives them, that have no run record yet. A run that takes over may
            be killed before it writes their records; its successor finds them here.
        kept_by: Name of the lock that the run renews on behalf of all its locks; None, as in earlier releases, if each
            lock is renewed itself.
    """

    run_id: str
    job: str
    output: str
    host: str
    pid: int
    process: str | None
    since: str
    renewed: str
    expires: str
    held: bool = True
    orphans: list[dict[str, Any]] = field(default_factory=list)
    kept_by: str | None = None

    @property
    def free(self) -> bool:
        """Whether another run may take the lock: it is given back, expired, or of a dead process of this machine."""
        if not self.held or datetime.now(UTC) >= datetime.fromisoformat(self.expires):
            return True
        where, _, _ = (self.process or "").rpartition(" ")
        return bool(where) and where == this_machine() and self.process != process_name(self.pid)

    @classmethod
    def unreadable(cls, stored: datetime, before: "Lease | None") -> "Lease":
        """Make the lease of an unreadable commit: the lock is held for one lease from the time its file was stored.

        Args:
            stored: Time when the file of the commit was stored.
            before: Lease of the newest readable commit, whose run most likely wrote the unreadable one too; None if
                there is none, and hence no run to write a record for.
        """
        if before is None:
            ends = (stored + timedelta(seconds=DEFAULT)).isoformat()
            return cls("", "unknown", "", "unknown", 0, None, stored.isoformat(), stored.isoformat(), ends)
        ends = (stored + (_moment(before.expires) - _moment(before.renewed))).isoformat()
        # Whether that run's process is gone proves nothing: another run may have written the commit.
        return dataclasses.replace(before, process=None, renewed=stored.isoformat(), expires=ends, held=True)


_FIELDS = {each.name for each in dataclasses.fields(Lease)}


def parsed(kept: object) -> Lease | None:
    """Read a lease that ``asdict`` gave, in this or another release; None if the content is not a lease."""
    if not isinstance(kept, dict):
        return None
    try:
        found = Lease(**{name: value for name, value in kept.items() if name in _FIELDS})
        zoned = min(map(_moment, (found.expires, found.renewed, found.since))).tzinfo is not None
    except (TypeError, ValueError):
        return None
    return found if zoned else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def this_machine() -> str | None:
    """Identify this boot of this machine and its process namespace; None if the system does not tell them."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def process_name(pid: int) -> str | None:
    """Identify a process uniquely, even if its number is reused; None if it is gone or the system cannot tell."""
    machine = this_machine()
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    # A zombie, whose parent has not collected its exit status yet, is as dead as a process that is gone.
    return None if machine is None or state in "ZX" else f"{machine} {fields[18]}"
