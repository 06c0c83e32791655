"""The fields of a run record that contain paths, URLs or free text; these are masked when it leaves the process.

All other fields are names, keys, figures and digests. Later runs compare these, so they must be read back as they were
written. A new field with a path, a URL or the text of an error needs a line here.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from textclf.common.secrets import masked

ANY, EACH = "*", "[]"
"""Parts of a path: any key of a dictionary, each item of a list."""

Path = tuple[str, ...]

KEYED_BY_SOURCE = ("train_model",)
"""Jobs whose details have names of sources as keys."""

RECORD: tuple[Path, ...] = (
    ("input",),
    ("error",),
    ("tables", ANY),
    ("gate", "output"),
)
DETAILS: tuple[Path, ...] = (
    ("tables", ANY),
    ("reason",),  # why refused rows were published
    ("kernels", ANY),  # why a machine has no compiled kernels
    ("backends", ANY),
    ("registered_model", "registry"),
    ("registered_model", "uri"),
    ("sources", ANY, "problem"),  # why a search has no winner
    ("sources", ANY, "warnings", EACH),
    ("sources", ANY, "skipped", "names", EACH),
    ("skipped", "names", EACH),
    ("refused", ANY),  # why a delivery was refused, in a nightly run
    ("refused", ANY, "problem"),  # the same in an ingest
    ("refused", ANY, "skipped", "names", EACH),
    ("unreadable_rows", "first_error"),
    ("steps", EACH, "why"),
    ("steps", EACH, "error"),
    ("steps", EACH, "refused", ANY),
    ("plan", EACH),
    ("report",),
    ("reports", EACH),
)
_SHOWN: tuple[Path, ...] = (*RECORD, ("published_by", EACH, "reason"))
EXPLAINED: tuple[Path, ...] = (
    ("table",),
    *(("run", *path) for path in _SHOWN),
    ("run", "registered_model", "registry"),
    ("run", "registered_model", "uri"),
)
"""Masked fields of a row in the output of ``explain_row``."""
IN_DETAILS: tuple[Path, ...] = (
    *DETAILS,
    *(("rows", EACH, *path) for path in EXPLAINED),
    *(("run", *path) for path in _SHOWN),
    *(("run", "details", *path) for path in DETAILS),
)
"""Masked fields of any job's details, including rows and records that a job shows in its own."""


def masked_record(values: dict[str, Any]) -> dict[str, Any]:
    """Mask the fields of a run record before it is written, or of one that ``show_run`` has read."""
    found: dict[str, Any] = mask_fields(values, _SHOWN)
    details = found.get("details")
    if details and found.get("job") not in KEYED_BY_SOURCE:
        details = mask_fields(details, IN_DETAILS)
    return found | {"details": details} if "details" in found else found


def mask_fields(values: Any, paths: Iterable[Sequence[str]]) -> Any:
    """Return a copy of nested dictionaries and lists with the texts at these paths masked."""
    for path in paths:
        values = _mask(values, path)
    return values


def _mask(value: Any, path: Sequence[str]) -> Any:
    if not path:
        return masked(value) if isinstance(value, str) else value
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        if first == ANY:
            return {key: _mask(item, rest) for key, item in value.items()}
        return {**value, first: _mask(value[first], rest)} if first in value else value
    if first == EACH and isinstance(value, list | tuple):
        return [_mask(item, rest) for item in value]
    return value
