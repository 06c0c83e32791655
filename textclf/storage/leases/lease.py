"""What a commit of a lock says: who holds it, until when, and which dead runs wait for their records."""

import dataclasses
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

DEFAULT = 60.0
"""Seconds: that of ``[lock] lease``, for a lock none of whose commits can be read."""


@dataclass(frozen=True)
class Lease:
    """What the newest commit of a lock says.

    Attributes:
        output: The table.
        process: Machine, process and its start, None where another machine cannot tell them apart.
        since, renewed, expires: UTC, in ISO form.
        held: False in the commit that gives the lock back.
        orphans: Leases of dead runs, as ``asdict`` gives them, that nobody has recorded yet. Who takes over may be
            killed before it writes their records; then its successor finds them here.
        kept_by: Name of the lock that the run renews for all that it holds; None, as in releases before, where each
            renews itself.
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
        """Whether another run may take the lock: given back, run out, or of a process of this machine that is gone."""
        if not self.held or datetime.now(UTC) >= datetime.fromisoformat(self.expires):
            return True
        where, _, _ = (self.process or "").rpartition(" ")
        return bool(where) and where == this_machine() and self.process != process_name(self.pid)

    @classmethod
    def unreadable(cls, stored: datetime, before: "Lease | None") -> "Lease":
        """For a commit that cannot be read: held for a lease from the time that its file was stored.

        Args:
            before: The newest commit that can be read, whose run most likely wrote the other one too; without one
                there is no run that a record could be written for.
        """
        if before is None:
            ends = (stored + timedelta(seconds=DEFAULT)).isoformat()
            return cls("", "unknown", "", "unknown", 0, None, stored.isoformat(), stored.isoformat(), ends)
        ends = (stored + (_moment(before.expires) - _moment(before.renewed))).isoformat()
        # Whether that run's process is gone says nothing: another one may have written the commit.
        return dataclasses.replace(before, process=None, renewed=stored.isoformat(), expires=ends, held=True)


_FIELDS = {each.name for each in dataclasses.fields(Lease)}


def parsed(kept: object) -> Lease | None:
    """The lease that ``asdict`` gave, here or in another release; None where it says none."""
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
    """A name of this boot of this machine and its numbering of processes; None where the system tells neither."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def process_name(pid: int) -> str | None:
    """A name of a process that no later one with its number has; None where it is gone or the system cannot tell."""
    machine = this_machine()
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    # A killed process that its parent has not yet asked about is as dead as one that is gone.
    return None if machine is None or state in "ZX" else f"{machine} {fields[18]}"
