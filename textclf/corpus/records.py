"""One record of a source in, a labelled text or a reason for refusing it out: pure functions."""

import csv
import json
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from textclf.config import Source

RAW_CHARACTERS = 1000  # of a refused record that are kept


class Reason(StrEnum):
    """Why a record is in ``corpus_rejects``."""

    BLANK_RECORD = "blank_record"
    OVERSIZED_RECORD = "oversized_record"
    UNDECODABLE_BYTES = "undecodable_bytes"
    MISSING_COLUMN = "missing_column"
    EXTRA_COLUMN = "extra_column"
    MALFORMED_CSV = "malformed_csv"
    UNCLOSED_QUOTE = "unclosed_quote"
    INVALID_JSON = "invalid_json"
    NO_MATCH = "no_match"
    EMPTY_TEXT = "empty_text"
    MISSING_LABEL = "missing_label"
    UNKNOWN_LABEL = "unknown_label"
    FRACTIONAL_LABEL = "fractional_label"


class Parsed(NamedTuple):
    """A labelled text, or, with a reason, a refused record."""

    text: str | None
    label: str | None
    reason: Reason | None


Parser = Callable[[bytes], Parsed]


def _refused(reason: Reason) -> Parsed:
    return Parsed(None, None, reason)


def check(text: str | None, label: str | None, allowed: frozenset[str] | None) -> Parsed:
    """Accept a text with its label, or say why not.

    The text stays as it is, spaces included; blanks around a label go.
    """
    if text is None:
        return _refused(Reason.MISSING_COLUMN)
    if not text or text.isspace():
        return _refused(Reason.EMPTY_TEXT)
    label = (label or "").strip()
    if not label:
        return _refused(Reason.MISSING_LABEL)
    if allowed is not None and label not in allowed:
        return _refused(Reason.UNKNOWN_LABEL)
    return Parsed(text, label, None)


def allowed_labels(source: Source) -> frozenset[str] | None:
    """The source's label set, None where any label goes."""
    return None if source.labels is None else frozenset(source.labels)


def parser(source: Source, columns: Sequence[str] | None = None) -> Parser:
    """The parser of a source's records.

    Args:
        source: A source of a line-based format.
        columns: Order of the fields, where the file's header gives it.

    Returns:
        A function from the bytes of one record, without its final line feed, to ``Parsed``.
    """
    fields = _FIELDS[source.format](source, list(columns or source.columns or []))
    allowed = allowed_labels(source)
    encoding, limit = source.encoding, source.max_record_bytes

    def parse(raw: bytes) -> Parsed:
        if len(raw) > limit:
            return _refused(Reason.OVERSIZED_RECORD)
        if raw.endswith(b"\r"):
            raw = raw[:-1]
        if not raw:
            return _refused(Reason.BLANK_RECORD)
        try:
            record = raw.decode(encoding)
        except UnicodeError:
            return _refused(Reason.UNDECODABLE_BYTES)
        found = fields(record)
        return _refused(found) if isinstance(found, Reason) else check(*found, allowed)

    return parse


def raw_text(raw: bytes, encoding: str) -> str:
    """The beginning of a refused record as text that any table can hold."""
    # Four bytes are the longest encoding of one character.
    text = raw[: 4 * RAW_CHARACTERS].decode(encoding, errors="replace")[:RAW_CHARACTERS]
    return text.encode("utf-8", errors="replace").decode("utf-8")


Fields = Callable[[str], tuple[str | None, str | None] | Reason]


def _delimited(source: Source, columns: list[str]) -> Fields:
    separator, width = source.separator, len(columns)
    text_at, label_at = columns.index(source.text), columns.index(source.label)

    def pick(values: list[str]) -> tuple[str, str] | Reason:
        if len(values) != width:
            return Reason.MISSING_COLUMN if len(values) < width else Reason.EXTRA_COLUMN
        return values[text_at], values[label_at]

    def plain(record: str) -> tuple[str, str] | Reason:
        return pick(record.split(separator))

    def quoted(record: str) -> tuple[str, str] | Reason:
        try:
            return pick(next(csv.reader([record], delimiter=separator)))
        except csv.Error:
            return Reason.MALFORMED_CSV

    if source.quoted:
        # The csv module's own limit of 131,072 characters a field is below ours.
        csv.field_size_limit(max(csv.field_size_limit(), source.max_record_bytes))
    return quoted if source.quoted else plain


def _json(source: Source, _columns: list[str]) -> Fields:
    def pick(record: str) -> tuple[str | None, str | None] | Reason:
        try:
            value = json.loads(record)
        except (ValueError, RecursionError):
            return Reason.INVALID_JSON
        if not isinstance(value, dict):
            return Reason.INVALID_JSON
        text, label = value.get(source.text), value.get(source.label)
        if isinstance(label, bool):
            label = str(label).lower()
        elif isinstance(label, int):
            label = str(label)
        if not isinstance(text, str | None) or not isinstance(label, str | None):
            return Reason.INVALID_JSON
        return text, label

    return pick


def _matched(source: Source, _columns: list[str]) -> Fields:
    match = re.compile(source.pattern or "").fullmatch

    def pick(record: str) -> tuple[str | None, str | None] | Reason:
        found = match(record)
        return Reason.NO_MATCH if found is None else (found[source.text], found[source.label])

    return pick


_FIELDS: dict[str, Callable[[Source, list[str]], Fields]] = {
    "tsv": _delimited,
    "csv": _delimited,
    "jsonl": _json,
    "text": _matched,
}
