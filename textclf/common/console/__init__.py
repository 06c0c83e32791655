"""What a person at a terminal sees of a run: one line for each step, which moves, above all other output.

    with console.step("score", unit="rows") as step:
        step.update(done, total)

A step's line shows its name, how much is done, the rate and the time left. When the step ends, the line stays with what
was done and the seconds that it took. A step inside another one has its own line while it runs and leaves none. Steps
may run side by side, on any threads.

Lines go to standard error, and only where that is a terminal: no file, pipe or log ever receives one. They are also
left out where the output is for programs (``for_programs``): with ``--json`` and with log lines in JSON.
"""

import contextvars
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:  # at run time rich is imported where a terminal needs it
    from textclf.common.console.screen import Screen

State = Literal["running", "done", "failed"]
_for_programs: dict[str, bool] = {}
_summary: list[TextIO] = []  # the stream that gets a summary of this run, if it does
_guard = threading.RLock()
_screens: list["Screen"] = []  # the screen, while a step runs
_current: contextvars.ContextVar["Step | None"] = contextvars.ContextVar("textclf_step", default=None)
_CODES = {"warning": "33", "error": "31"}


@dataclass(eq=False)
class Step:
    """A step of a run and how far it is. Setting it is cheap and safe on any thread, with or without a terminal.

    Attributes:
        name: Name of the step, as in log messages.
        unit: What is counted, in the plural.
        depth: Number of steps around it.
        done, total: Counted so far, and in all; None while that is unknown.
        tasks: Finished and all tasks of the Spark stages that run now; None if none runs.
        one_stage: Whether one Spark stage does nearly all of the step, so that its tasks tell the time left.
        note: Words at the end of the line.
        state: ``running``, ``done`` or ``failed``.
        shown: Whether it has a line at a terminal.
        kept: Whether its line stays after the end.
        begun, ended: Seconds of the monotonic clock.
        counting: When the first of what is counted began; None before.
    """

    name: str
    unit: str = "rows"
    depth: int = 0
    done: float | None = None
    total: float | None = None
    tasks: tuple[int, int] | None = None
    one_stage: bool = False
    note: str = ""
    state: State = "running"
    shown: bool = False
    kept: bool = False
    begun: float = field(default_factory=time.monotonic)
    ended: float | None = None
    counting: float | None = None

    def update(
        self, done: float, total: float | None = None, *, unit: str | None = None, note: str | None = None
    ) -> None:
        """Set how much is done; what is not given stays as it was.

        Args:
            done: Amount that is done so far.
            total: Amount of the whole step.
            unit: What is counted, in the plural.
            note: Words at the end of the line.
        """
        if self.counting is None:
            # The first amount may be reported only when it is complete, as rows are when their task ends.
            self.counting = self.begun if done else time.monotonic()
        self.done = done
        self.total = self.total if total is None else total
        self.unit = unit or self.unit
        self.note = self.note if note is None else note

    def watch(self, tasks: tuple[int, int] | None) -> None:
        """Set the finished and all tasks of the Spark stages that run now; None if none runs."""
        if tasks is not None and self.counting is None:
            self.counting = time.monotonic()
        self.tasks = tasks

    def seconds(self) -> float:
        """Return the seconds that the step has taken so far, or in all."""
        return (time.monotonic() if self.ended is None else self.ended) - self.begun


def for_programs(*, chosen: bool, whose: str = "record") -> None:
    """Choose whether the output of this process is for programs, which read no lines that move and no colours.

    Args:
        chosen: Whether it is.
        whose: What chooses: ``record`` (``--json``) or ``logs``; one of them suffices.
    """
    _for_programs[whose] = chosen


def attended(stream: TextIO) -> bool:
    """Whether a person reads a stream: it is a terminal that can move its cursor, and output is not for programs."""
    if any(_for_programs.values()) or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return False
    try:
        return stream.isatty()
    except ValueError:  # the stream is closed
        return False


def coloured(stream: TextIO) -> bool:
    """Whether a stream may get colours: a person reads it and has not set ``NO_COLOR``."""
    return attended(stream) and not os.environ.get("NO_COLOR")


def expect_summary(stream: TextIO) -> None:
    """Tell that the run ends with a summary on this stream, if a person reads it."""
    _summary[:] = [stream]


def summarized() -> bool:
    """Whether a summary for a person follows, so that log messages need not tell its figures."""
    return bool(_summary) and attended(_summary[0])


@contextmanager
def step(name: str, *, unit: str = "rows", total: float | None = None, kept: bool = True) -> Iterator[Step]:
    """Show a step of the run while the block works; an error ends the step as failed.

    A step inside another one of the same name is that step: both have one line.

    Args:
        name: Name of the step.
        unit: What is counted, in the plural.
        total: Amount of the whole step; None if it is not known.
        kept: Whether the line stays after the end; that of a step inside another one never does.

    Yields:
        Step, whose ``update`` moves the line.
    """
    parent = _current.get()
    if parent is not None and parent.name == name:
        parent.unit = unit
        yield parent
        return
    begun = Step(name, unit, 0 if parent is None else parent.depth + 1, total=total, kept=kept and parent is None)
    token = _current.set(begun)
    _show(begun)
    try:
        yield begun
    except BaseException:
        begun.state = "failed"
        raise
    finally:
        begun.state = "done" if begun.state == "running" else begun.state
        begun.ended = time.monotonic()
        _current.reset(token)
        _hide(begun)


@contextmanager
def inner_step(name: str) -> Iterator[Step]:
    """Yield the step that this thread works on; where there is none, show one while the block works."""
    if (parent := _current.get()) is not None:
        yield parent
        return
    with step(name) as begun:
        yield begun


def current() -> Step:
    """Return the step that this thread works on; one without a line if there is none."""
    return _current.get() or Step("")


def alone(step: Step) -> bool:
    """Whether no other step of the same depth runs beside this one."""
    with _guard:
        return not _screens or _screens[0].alone(step)


def write(text: str, level: str = "info") -> None:
    """Write a log message to standard error, above the lines of running steps.

    Args:
        text: Message, without characters that a terminal acts on, and with a line feed at the end.
        level: ``info``, ``warning`` or ``error``, which decides the colour at a terminal.
    """
    with _guard, _drawing():
        if _screens:
            _screens[0].write(text, level)
            return
    code = _CODES.get(level) if coloured(sys.stderr) else None
    # Written in one call, so that lines of several threads do not mix.
    sys.stderr.write(text if code is None else f"\x1b[{code}m{text.removesuffix(chr(10))}\x1b[0m\n")


def _show(begun: Step) -> None:
    with _guard, _drawing():
        if not _screens:
            if not attended(sys.stderr):
                return
            from textclf.common.console.screen import Screen

            _screens.append(Screen(sys.stderr))
        begun.shown = True
        _screens[0].add(begun)


def _hide(ended: Step) -> None:
    with _guard, _drawing():
        if _screens and not _screens[0].remove(ended):
            _screens.pop().close()


@contextmanager
def _drawing() -> Iterator[None]:
    """Draw no more lines once the terminal is gone, which is no reason for a run to fail."""
    try:
        yield
    except (OSError, ValueError):
        while _screens:
            _screens.pop().abandon()
        for_programs(chosen=True, whose="a lost terminal")
