"""What a job says while it runs: lines for people, or JSON lines for programs, on standard error.

A JSON line has ``time`` (UTC), ``level``, ``message`` and, where they are known, ``job``, ``run_id``, ``step``,
``source`` and ``day``. Messages are made of names, counts and places; the words of an exception that is not one of
``textclf.errors`` may hold a row of data, so that as JSON only its type, its first line and the lines of code are told.
"""

import contextvars
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from textclf.common.secrets import first_line, masked
from textclf.common.terminal import json_text, visible
from textclf.errors import TextclfError

VARIABLE = "TEXTCLF_LOGS"
"""Environment variable that asks for a format before any pipeline file is read, and over it."""

Level = Literal["info", "warning", "error"]
_FIRST_LINE = 300  # characters of an exception's own words
_context: contextvars.ContextVar[Mapping[str, str] | None] = contextvars.ContextVar("textclf_logs", default=None)
# Of the process: threads that Spark or a pool begins say what they say in the same format.
_chosen = {"format": "text"}
_run: dict[str, str] = {}


def use_format(given: str | None) -> None:
    """``json`` or ``text``; the environment's choice goes before the one given."""
    _chosen["format"] = os.environ.get(VARIABLE) or given or "text"


def as_json() -> bool:
    """Whether lines are for programs."""
    return _chosen["format"] == "json"


def identify(job: str, run_id: str) -> None:
    """Name the run whose messages follow."""
    _run.update(job=job, run_id=run_id)


@contextmanager
def within(**fields: object) -> Iterator[None]:
    """Add fields, such as step and source, to all that is said within; None leaves a field as it was."""
    known = {name: str(value) for name, value in fields.items() if value is not None}
    token = _context.set({**(_context.get() or {}), **known})
    try:
        yield
    finally:
        _context.reset(token)


def context() -> Mapping[str, str]:
    """The fields of whatever is said now."""
    return {**_run, **(_context.get() or {})}


def say(message: str, level: Level = "info", **fields: object) -> None:
    """Say something; places, values of the environment and credentials in the message are masked, fields are names."""
    text = visible(masked(message), lines=True)
    if as_json():
        known = {name: str(value) for name, value in fields.items() if value is not None}
        values = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, **context(), **known}
        text = json_text({**values, "message": masked(message)})
    line = text.rstrip("\n") + "\n"  # in one call, so that lines of several threads do not mix
    if not sys.stderr.isatty():
        sys.stderr.write(line)
        return
    from tqdm import tqdm

    with tqdm.external_write_mode(file=sys.stderr):  # a bar, where there is one, goes out of the way
        sys.stderr.write(line)


def say_error(error: BaseException, **fields: object) -> None:
    """Say what went wrong: our own errors in full, any other with its place in the code."""
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
