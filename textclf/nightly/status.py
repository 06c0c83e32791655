"""How a night stands: a JSON file that is replaced at every step, and a bar where somebody watches."""

import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tqdm import tqdm

from textclf.config import Pipeline
from textclf.files import replace_file
from textclf.logs import say
from textclf.tables import RunRecord, Warehouse

STEPS = ("ingest", "vocabulary", "models", "score", "report")


def status_path(pipeline: Pipeline, warehouse: Warehouse) -> Path:
    """The file: the one of the pipeline file, else in the warehouse, else in the current folder."""
    if pipeline.nightly.status is not None:
        return Path(pipeline.nightly.status)
    root = warehouse.local_root
    return Path("nightly.json") if root is None else root / "nightly.json"


@dataclass
class Status:
    """What the file says.

    Attributes:
        usual, busy: Seconds that each step takes, over all nights and over those with something to do in it.
        steps: Each step that has begun: its name, its state (``running``, ``done``, ``skipped`` or ``failed``), why,
            its seconds.
        progress: Of the present step: what is done, of how many.
    """

    path: Path
    run: RunRecord
    days: Sequence[str]
    usual: Mapping[str, float]
    busy: Mapping[str, float]
    steps: list[dict[str, Any]] = field(default_factory=list)
    progress: dict[str, int] = field(default_factory=dict)
    _begun: float = 0.0
    _bar: Any = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if sys.stderr.isatty():
            self._bar = tqdm(total=len(STEPS), unit="step", file=sys.stderr, dynamic_ncols=True)

    def begin(self, step: str) -> None:
        """A step begins, and looks at what it has to do."""
        self._begun = time.monotonic()
        self.steps.append({"step": step, "state": "running", "why": "looks at what there is to do"})
        self.progress = {"done": 0, "of": 0}
        self.write()

    def expect(self, count: int, why: str) -> None:
        """The step knows how many things it has to do, and why."""
        self.steps[-1]["why"] = why
        self.progress["of"] = count
        self.write()

    def advance(self) -> None:
        """One thing of the step is done; from any thread."""
        with self._guard:
            self.progress["done"] += 1
        self.write()

    def end(self, state: str, why: str | None = None) -> None:
        """The step has ended: ``done``, ``skipped`` or ``failed``."""
        step = self.steps[-1]
        step["state"], step["seconds"] = state, round(time.monotonic() - self._begun, 3)
        step["why"] = why or step["why"]
        if state == "done":
            self.progress["done"] = self.progress["of"]
        say(f"{step['step']}: {state}, {step['why']}", step=step["step"])
        if self._bar is not None:
            self._bar.set_postfix_str(f"{step['step']} {state}", refresh=False)
            self._bar.update(1)
        self.write()

    def close(self, state: str, code: int, error: str | None) -> None:
        """The night is over."""
        if self._bar is not None:
            self._bar.close()
        self.write(state, code, error)

    def write(self, state: str = "running", code: int | None = None, error: str | None = None) -> None:
        """Replace the file; a night does not fail of a file that cannot be written."""
        now = datetime.now(UTC)
        step = self.steps[-1] if self.steps else {"step": "plan"}
        values = {
            "run_id": self.run.run_id,
            "state": state,
            "days": list(self.days),
            "step": step["step"],
            "progress": self.progress,
            "steps": self.steps,
            "started_at": self.run.started_at.isoformat(),
            "updated_at": now.isoformat(),
            "expected_end": self._expected(now) if code is None else None,
            "exit_code": code,
            "error": error,
            "host": os.uname().nodename,
            "pid": os.getpid(),
        }
        with self._guard:
            try:
                replace_file(self.path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
            except OSError as error_:
                say(f"The status file {self.path} cannot be written: {error_}", "warning")

    def _expected(self, now: datetime) -> str | None:
        """When the night will have ended, from what steps usually take; None before any has been seen."""
        if not self.usual:
            return None
        begun = {step["step"] for step in self.steps}
        left = sum(self.usual.get(step, 0.0) for step in STEPS if step not in begun)
        if self.steps and self.steps[-1]["state"] == "running":
            busy = self.busy.get(self.steps[-1]["step"], 0.0)
            left += max(busy - (time.monotonic() - self._begun), 0.0)
        return (now + timedelta(seconds=left)).isoformat(timespec="seconds")
