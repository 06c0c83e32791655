"""Log lines of a job on standard error: text for people or JSON for programs.

A JSON line has ``time`` (UTC), ``level``, ``message`` and, if they are known, ``job``, ``run_id``, ``step``, ``source``
and ``day``. Messages contain only names, counts and places. The message of an exception that is not one of
``textclf.errors`` may hold a row of data, so a JSON line has only its type, its first line and its lines of code.
"""

import contextvars
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from textclf.common import console
from textclf.common.secrets import first_line, masked
from textclf.common.terminal import json_text, visible
from textclf.errors import TextclfError

VARIABLE = "TEXTCLF_LOGS"
"""Environment variable for the format. It works before a pipeline file is read, and takes precedence over it."""

Level = Literal["info", "warning", "error"]
_FIRST_LINE = 300  # characters of an exception's message
_context: contextvars.ContextVar[Mapping[str, str] | None] = contextvars.ContextVar("textclf_logs", default=None)
# For the whole process, so that threads that Spark or a pool starts use the same format.
_chosen = {"format": "text"}
_run: dict[str, str] = {}


def use_format(given: str | None) -> None:
    """Choose the format, ``json`` or ``text``; the environment variable takes precedence."""
    _chosen["format"] = os.environ.get(VARIABLE) or given or "text"
    console.for_programs(chosen=as_json(), whose="logs")


def as_json() -> bool:
    """Whether log lines are JSON."""
    return _chosen["format"] == "json"


def identify(job: str, run_id: str) -> None:
    """Name the run whose messages follow."""
    _run.update(job=job, run_id=run_id)


@contextmanager
def within(**fields: object) -> Iterator[None]:
    """Add fields, such as step and source, to all messages inside the block; None leaves a field unchanged."""
    known = {name: str(value) for name, value in fields.items() if value is not None}
    token = _context.set({**(_context.get() or {}), **known})
    try:
        yield
    finally:
        _context.reset(token)


def context() -> Mapping[str, str]:
    """Return the fields that a message gets now."""
    return {**_run, **(_context.get() or {})}


def say(message: str, level: Level = "info", **fields: object) -> None:
    """Write a log message. Places, values of the environment and credentials in it are masked; fields are not."""
    text = visible(masked(message), lines=True)
    if as_json():
        known = {name: str(value) for name, value in fields.items() if value is not None}
        values = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, **context(), **known}
        text = json_text({**values, "message": masked(message)})
    console.write(text.rstrip("\n") + "\n", "info" if as_json() else level)


def say_summarized(message: str, level: Level = "info", **fields: object) -> None:
    """Write a log message that says what the summary of the run will say, unless a person gets that summary."""
    if not console.summarized():
        say(message, level, **fields)


def say_error(error: BaseException, **fields: object) -> None:
    """Log an error: one of ``textclf.errors`` in full, any other with its place in the code."""
    if isinstance(error, TextclfError):
        name = _run.get("job", "textclf") if not as_json() else ""
        place = f", {fields['day']}" if name and fields.get("day") else ""
        say(f"{name}{place}: {error}" if name else str(error), "error", **fields)
    elif as_json():
        frames = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        say(first_line(error, _FIRST_LINE, named=True), "error", **fields, code=masked("; ".join(frames)))
    else:
        say("".join(traceback.format_exception(error)), "error", **fields)


def raise_first(errors: Sequence[Exception]) -> None:
    """Log all errors but the first, and raise that; do nothing without an error.

    Args:
        errors: Errors of parts that do not depend on each other.

    Raises:
        Exception: There is an error.
    """
    for another in errors[1:]:
        say_error(another)
    if errors:
        raise errors[0]
