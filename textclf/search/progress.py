"""Progress of a search on standard error: the line of its step at a terminal, else one line a minute."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from textclf.common import console
from textclf.common.logs import say
from textclf.search.trial import SUCCEEDED, Result, Trial

_LINE = 60.0  # seconds between two lines without a terminal
_REFRESH = 0.5  # seconds between two updates at a terminal
_SHOWN = 3  # number of sources whose best result is shown


@dataclass
class Progress:
    """Count trials; ``running`` gives the number of Spark tasks at work, ``on_progress`` gets done and total."""

    total: int
    running: Callable[[], int]
    on_progress: Callable[[int, int], None] = lambda done, total: None  # noqa: ARG005 - does nothing
    done: int = 0
    failed: int = 0
    _best: dict[str, float] = field(default_factory=dict)
    _means: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)
    _begun: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.monotonic)
    _fresh: int = 0
    _step: console.Step = field(default_factory=console.current)

    def add(self, trial: Trial, result: Result, *, known: bool = False) -> None:
        """Count a trial that has ended; one ``known`` from an earlier search does not count for the speed."""
        self.done += 1
        self.failed += result.status != SUCCEEDED
        self._fresh += not known
        self.on_progress(self.done, self.total)
        if result.accuracy is not None and trial.fold is not None and trial.outer is None:
            candidate = (
                trial.info.source,
                f"{trial.candidate.architecture} {trial.candidate.params}",
                trial.settings.epochs,
            )
            found = self._means.setdefault(candidate, [])
            found.append(result.accuracy)
            if len(found) == trial.plan.folds:
                mean = sum(found) / len(found)
                self._best[trial.info.source] = max(mean, self._best.get(trial.info.source, 0.0))

    def show(self) -> None:
        """Show the progress if enough time has passed since it was last shown."""
        if time.monotonic() - self._last < (_REFRESH if self._step.shown else _LINE):
            return
        self._last = time.monotonic()
        if self._step.shown:
            self._update(f"{self.running()} running, {self.failed} failed{self._bests()}")
        else:
            say(str(self))

    def close(self) -> None:
        """Show how many trials there were."""
        self._update(f"{self.failed} failed{self._bests()}")

    def _update(self, note: str) -> None:
        self._step.update(self.done, self.total, unit="trials", note=note)

    def __str__(self) -> str:
        left = "unknown"
        if self._fresh:
            seconds = (self.total - self.done) * (time.monotonic() - self._begun) / self._fresh
            left = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
        state = f"{self.done} of {self.total} trials done, {self.running()} running, {self.failed} failed"
        return f"{state}, {left} left{self._bests()}"

    def _bests(self) -> str:
        best = sorted(self._best.items(), key=lambda pair: -pair[1])
        shown = ", ".join(f"{source} {accuracy:.4f}" for source, accuracy in best[:_SHOWN])
        more = f" and {len(best) - _SHOWN} more sources" if len(best) > _SHOWN else ""
        return f"; best {shown}{more}" if best else ""
