"""The line of one step, as long as the terminal is wide: the less room there is, the less it says."""

import time
from collections.abc import Callable

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from textclf.common.console import Step
from textclf.common.console.numbers import clock, duration, short
from textclf.common.terminal import visible

_NAME = 12  # columns of a step's name
_FRAMES, _ASCII_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "-\\|/"
_A_SECOND = 4  # frames
_MARKS = {"done": ("✓", "+", "green"), "failed": ("✗", "x", "red")}
_TRUSTED = 1.0  # seconds after which a rate says something

Words = Callable[[Step], str]


def step_line(step: Step, width: int, *, ascii_only: bool = False) -> Text:
    """Return the line of a step, at most ``width`` columns wide.

    Args:
        step: Running or ended step.
        width: Columns of the terminal.
        ascii_only: Whether the terminal shows only ASCII.
    """
    mark, style = _mark(step, ascii_only=ascii_only)
    name = f"{'  ' * step.depth}{visible(step.name)}"
    for form in _ENDED if step.state != "running" else _RUNNING:
        parts = [words for words in (part(step) for part in form) if words]
        lines = ["  ".join([f"{mark} {each}", *parts]) for each in (name.ljust(_NAME), name)]
        line = next((each for each in lines if cell_len(each) <= width), "")
        if line:
            break
    else:
        line = set_cell_size(lines[-1], width).rstrip()
    text = Text(line, no_wrap=True, end="")
    text.stylize(style, 0, 1)
    text.stylize("bold", 2, 2 + len(name))
    return text


def rate(step: Step) -> float | None:
    """Return how much of a step is done in a second, since its counting began; None while too little is known."""
    if not step.done or step.counting is None:
        return None
    seconds = (time.monotonic() if step.ended is None else step.ended) - step.counting
    return step.done / seconds if seconds >= _TRUSTED else None


def left(step: Step) -> float | None:
    """Return the seconds that a step still takes at its rate so far; None while too little is known."""
    now = rate(step)
    if now and step.done and step.total is not None:
        return max(step.total - step.done, 0.0) / now
    if step.one_stage and step.tasks is not None and step.counting is not None:
        done, total = step.tasks
        return (time.monotonic() - step.counting) * (total - done) / done if done else None
    return None


def _mark(step: Step, *, ascii_only: bool) -> tuple[str, str]:
    if step.state == "running":
        frames = _ASCII_FRAMES if ascii_only else _FRAMES
        return frames[int(step.seconds() * _A_SECOND) % len(frames)], "cyan"
    mark, plain, style = _MARKS[step.state]
    return plain if ascii_only else mark, style


def _amount(step: Step) -> str:
    if step.done is None:
        return f"{step.tasks[0]:,} of {step.tasks[1]:,} tasks" if step.tasks else ""
    of = "" if step.total is None or step.state != "running" else f" of {step.total:,.0f}"
    return f"{step.done:,.0f}{of} {step.unit}"


def _short_amount(step: Step) -> str:
    if step.done is None:
        return _amount(step)
    of = "" if step.total is None or step.state != "running" else f"/{short(step.total)}"
    return f"{short(step.done)}{of} {step.unit}"


def _tasks(step: Step) -> str:
    return _amount(Step("", tasks=step.tasks)) if step.done is not None and step.total is None else ""


def _share(step: Step) -> str:
    pair = (step.done, step.total) if step.done is not None else step.tasks or (None, None)
    return f"{pair[0] / pair[1]:.0%}" if pair[0] is not None and pair[1] else ""


def _rate(step: Step) -> str:
    found = rate(step)
    return "" if found is None else f"{found:,.0f} {step.unit}/s" if found >= 10 else f"{found:.1f} {step.unit}/s"


def _short_rate(step: Step) -> str:
    found = rate(step)
    return "" if found is None else f"{short(found)}/s"


def _left(step: Step) -> str:
    found = left(step)
    return "" if found is None else f"{clock(round(found))} left"


def _seconds(step: Step) -> str:
    return duration(step.seconds())


def _elapsed(step: Step) -> str:
    """The time so far where nothing tells the time left, so that a line always moves."""
    return "" if left(step) is not None else clock(step.seconds())


def _note(step: Step) -> str:
    return visible(step.note)


_RUNNING: tuple[tuple[Words, ...], ...] = (
    (_amount, _tasks, _rate, _left, _elapsed, _note),
    (_amount, _tasks, _rate, _left, _elapsed),
    (_short_amount, _short_rate, _left, _elapsed),
    (_share, _short_rate, _left, _elapsed),
    (_share, _left, _elapsed),
    (_left, _elapsed),
)
_ENDED: tuple[tuple[Words, ...], ...] = ((_amount, _seconds, _note), (_short_amount, _seconds), (_seconds,))
