"""Which fields of a run record are places or free text: these are masked when it leaves the process.

All others are names, keys, figures and digests, which later runs compare: what is read back is what was written. A
field that is added to a record with a path, a URL or the words of an error in it gets a line here.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from textclf.common.secrets import masked

ANY, EACH = "*", "[]"
"""In a path: any key of a dictionary, each item of a list."""

Path = tuple[str, ...]

KEYED_BY_SOURCE = ("train_model",)
"""Jobs whose details have a source's name for a key."""

RECORD: tuple[Path, ...] = (
    ("input",),
    ("error",),
    ("tables", ANY),
    ("gate", "output"),
)
DETAILS: tuple[Path, ...] = (
    ("tables", ANY),
    ("reason",),  # why refused rows were published
    ("kernels", ANY),  # why a machine has none
    ("backends", ANY),
    ("registered_model", "registry"),
    ("registered_model", "uri"),
    ("sources", ANY, "problem"),  # why a search has no winner
    ("sources", ANY, "warnings", EACH),
    ("sources", ANY, "skipped", "names", EACH),
    ("skipped", "names", EACH),
    ("refused", ANY),  # why a delivery was, of a night
    ("refused", ANY, "problem"),  # the same of an ingest
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
"""Of a row that ``explain_row`` tells of."""
IN_DETAILS: tuple[Path, ...] = (
    *DETAILS,
    *(("rows", EACH, *path) for path in EXPLAINED),
    *(("run", *path) for path in _SHOWN),
    *(("run", "details", *path) for path in DETAILS),
)
"""Of the details of any job, with what others show in theirs of a row or of a record."""


def masked_record(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a run record as they are written down, or of one that was read, as ``show_run`` gives it."""
    found: dict[str, Any] = mask_fields(values, _SHOWN)
    details = found.get("details")
    if details and found.get("job") not in KEYED_BY_SOURCE:
        details = mask_fields(details, IN_DETAILS)
    return found | {"details": details} if "details" in found else found


def mask_fields(values: Any, paths: Iterable[Sequence[str]]) -> Any:
    """A copy of nested dictionaries and lists in which the texts at these paths are masked."""
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
