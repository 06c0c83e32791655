"""Progress of a night: a JSON file that is replaced at every step."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from textclf.chain.progress import Progress
from textclf.chain.rules import STEPS
from textclf.common.logs import say
from textclf.common.output_files import OutputFile
from textclf.common.secrets import masked
from textclf.config import Pipeline
from textclf.runs.masked_fields import DETAILS, mask_fields
from textclf.runs.outcome import outcome_of
from textclf.runs.record import RunRecord
from textclf.storage import Warehouse

_OFTEN = 1.0  # seconds between two writes during a search, in which hundreds of trials may end at once


def status_file(pipeline: Pipeline, warehouse: Warehouse) -> OutputFile:
    """Return the file that the pipeline file names; else one in the warehouse or, for a catalog, the current folder."""
    if pipeline.nightly.status is not None:
        return OutputFile(pipeline.nightly.status)
    return warehouse.output_file("nightly.json")


@dataclass
class Status(Progress):
    """The content of the status file.

    Attributes:
        file: Place of the file.
        run: Run record of the night.
        days: Requested days.
        usual, busy: Seconds that each step takes, over all nights and over those that did not skip it.
    """

    file: OutputFile
    run: RunRecord
    days: Sequence[str]
    usual: Mapping[str, float]
    busy: Mapping[str, float]
    _written: float = 0.0

    def changed(self, *, often: bool = False) -> None:
        """Write the file; changes that may come by the hundred are written about once a second."""
        if not often or time.monotonic() - self._written >= _OFTEN:
            self.write()

    def close(self, state: str, code: int, error: str | None) -> None:
        """End the night."""
        self.write(state, code, error)

    def write(self, state: str = "running", code: int | None = None, error: str | None = None) -> None:
        """Replace the file; a file that cannot be written is logged and does not fail the night."""
        now = datetime.now(UTC)
        step = self.steps[-1] if self.steps else {"step": "start"}
        values = {
            "run_id": self.run.run_id,
            "state": state,
            "days": list(self.days),
            "step": step["step"],
            "progress": self.progress,
            "steps": mask_fields({"steps": self.steps}, DETAILS)["steps"],
            "started_at": self.run.started_at.isoformat(),
            "updated_at": now.isoformat(),
            "expected_end": self._expected(now) if code is None else None,
            "exit_code": code,
            "error": masked(error),
            "host": os.uname().nodename,
            "pid": os.getpid(),
        }
        with self._guard:
            try:
                self._written = time.monotonic()
                self.file.replace(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
            except OSError as error_:
                say(f"The status file {self.file.location} cannot be written: {error_}", "warning")

    def _expected(self, now: datetime) -> str | None:
        """Estimate when the night will end from the usual times of its steps; None without earlier nights."""
        if not self.usual:
            return None
        begun = {step["step"] for step in self.steps}
        left = sum(self.usual.get(step, 0.0) for step in STEPS if step not in begun)
        if self.steps and self.steps[-1]["state"] == "running":
            busy = self.busy.get(self.steps[-1]["step"], 0.0)
            left += max(busy - (time.monotonic() - self._begun), 0.0)
        return (now + timedelta(seconds=left)).isoformat(timespec="seconds")


@contextmanager
def announced(pipeline: Pipeline, run: RunRecord, days: Sequence[str]) -> Iterator[None]:
    """Write the status file for a run that has yet to start Spark and to take the lock of the night.

    If the run fails before the night begins, the file says so instead of showing the previous night. The file is left
    alone while another night is running. A file that is not on this machine is opened through Spark, so it is not
    written before Spark has started.
    """
    status = Status(status_file(pipeline, Warehouse.of(pipeline)), run, days, {}, {})
    early = status.file.local is not None
    if early:
        if _at_work(_read(status.file) or {}):
            yield
            return
        status.write()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if _is_ours(status.file, run.run_id, begun=early):
            found = outcome_of(error)
            status.close(found.status, found.code, found.problem)
        raise


def _is_ours(file: OutputFile, run_id: str, *, begun: bool) -> bool:
    """Whether the file is this run's to end: because it says so, or nothing has been written yet and no night runs."""
    said = _read(file)
    if said is None:  # what cannot be read may be another night's
        return False
    if said.get("run_id") == run_id:
        return bool(said.get("state") == "running")
    return not (begun or _at_work(said))


def _read(file: OutputFile) -> dict[str, Any] | None:
    """Read the file; return an empty dictionary if there is none, and None if it cannot be read."""
    try:
        found = json.loads(file.read())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _at_work(said: Mapping[str, Any]) -> bool:
    """Return whether a file is of a night that may be running; on another machine it is assumed to be."""
    if said.get("state") != "running":
        return False
    if said.get("host") != os.uname().nodename:
        return True
    return said.get("pid") != os.getpid() and _runs(said.get("pid"))


def _runs(pid: object) -> bool:
    """Return whether a process with this number exists on this machine."""
    if not isinstance(pid, int) or pid < 1:
        return False
    try:
        os.kill(pid, 0)  # signal 0 only checks for the process
    except ProcessLookupError:
        return False
    except OSError:  # the process belongs to another user
        return True
    return True
