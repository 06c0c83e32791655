"""The steps of a chain that have begun, and how far the current one is."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from textclf.common.logs import say_summarized


@dataclass
class Progress:
    """Steps as the run record has them, and the progress of the current one.

    Attributes:
        steps: Steps that have begun, each with its name, its state (``running``, ``done``, ``skipped`` or
            ``failed``), the reason and its seconds.
        progress: Progress of the current step, ``done`` of ``of``: sources, trials of a search, days or pages.
    """

    steps: list[dict[str, Any]] = field(default_factory=list, kw_only=True)
    progress: Mapping[str, int] = field(default_factory=dict, kw_only=True)
    _begun: float = field(default=0.0, init=False)
    _told: set[str] = field(default_factory=set, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    def begin(self, step: str) -> None:
        """Begin a step, which first finds out what it has to do."""
        self._begun, self._told = time.monotonic(), set()
        self.steps.append({"step": step, "state": "running", "why": "finding out what there is to do"})
        self.progress = {"done": 0, "of": 0}
        self.changed()

    def expect(self, count: int, why: str) -> None:
        """Set how many items the step has to do, and why."""
        self.steps[-1]["why"] = why
        self.progress = {**self.progress, "of": count}
        self.changed()

    def advance(self, what: str) -> None:
        """Count one item of the step as done; an item that another attempt repeats counts once. Thread-safe."""
        with self._guard:
            self._told.add(what)
            self.progress = {**self.progress, "done": len(self._told)}
        self.changed()

    def count(self, done: int, of: int) -> None:
        """Set the step's progress, ``done`` of ``of``, in other items than it was begun with."""
        self.progress = {"done": done, "of": of}
        self.changed(often=True)

    def end(self, state: str, why: str | None = None) -> None:
        """End the step with its state: ``done``, ``skipped`` or ``failed``."""
        step = self.steps[-1]
        step["state"], step["seconds"] = state, round(time.monotonic() - self._begun, 3)
        step["why"] = why or step["why"]
        if state == "done":
            self.progress = {**self.progress, "done": self.progress["of"]}
        say_summarized(f"{step['step']}: {state}, {step['why']}", step=step["step"])
        self.changed()

    def note_run(self, run_id: str) -> None:
        """Note a run that the step has begun."""
        self.steps[-1].setdefault("runs", []).append(run_id)

    def changed(self, *, often: bool = False) -> None:
        """Show what has changed; a chain whose progress is shown elsewhere does so here.

        Args:
            often: Whether there may be hundreds of such changes a second.
        """
