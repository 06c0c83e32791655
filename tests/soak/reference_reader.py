"""A slow reference reader, written from the documented rules alone and independent of ``textclf.corpus``.

The soak and the conservation tests compare the product's readers with this one, record by record. This module imports
nothing from the product, so that the two cannot share a mistake.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

QUOTE, RETURN = b'"\r'
MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Rules:
    """How a source's files are read; the keys are those of ``[[sources]]``."""

    format: str
    columns: tuple[str, ...] = ("text", "label")
    text: str = "text"
    label: str = "label"
    encoding: str = "utf-8"
    quoting: bool = False
    delimiter: str = "\t"
    escape: str | None = None
    header: bool = False
    labels: tuple[str, ...] | None = None
    pattern: str = ""
    max_record_bytes: int = 1 << 20


class Record(NamedTuple):
    """One record: its text and label or its reject reason, its number of lines, and its bytes."""

    position: int
    text: str | None
    label: str | None
    reason: str | None
    lines: int
    raw: bytes


class Reading(NamedTuple):
    """The records of a file in order, its number of lines, and its header."""

    records: list[Record]
    lines: int
    header_lines: int
    header: tuple[str, ...] | None


Outcome = tuple[str | None, str | None, str | None]  # text, label, reason


class _MalformedError(Exception):
    """A quote or a carriage return is at an offset where it is not allowed."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class _UnclosedError(Exception):
    """A quoted field is not closed, or not within the size limit."""


def lines_of(data: bytes) -> list[bytes]:
    """Return a file's lines without their line feeds; the last line may have none."""
    lines = data.split(b"\n")
    return lines[:-1] if not lines[-1] else lines


def read(data: bytes, rules: Rules) -> Reading:
    """Read all records of a file."""
    data = data.removeprefix(MARK)
    pieces = list(_pieces(data, rules))
    header: tuple[str, ...] | None = None
    header_lines = 0
    if rules.header and pieces:
        first = pieces.pop(0)
        header_lines, header = first.lines, tuple(field.decode(rules.encoding) for field in first.fields)
    records = []
    for position, piece in enumerate(pieces):
        outcome = (None, None, piece.reason) if piece.reason else _outcome(piece, rules, header or rules.columns)
        records.append(Record(position, *outcome, piece.lines, piece.raw))
    return Reading(records, len(lines_of(data)), header_lines, header)


class _Piece(NamedTuple):
    """The bytes of a record, its fields, and its reject reason if that is already known."""

    raw: bytes
    lines: int
    fields: list[bytes]
    reason: str | None = None


def _pieces(data: bytes, rules: Rules) -> Iterator[_Piece]:
    """Yield all records of a file in order."""
    separator = rules.delimiter.encode(rules.encoding)
    if not rules.quoting:
        for line in lines_of(data):
            yield _Piece(line, 1, without_return(line).split(separator))
        return
    at = 0
    while at < len(data):
        first_end = data.find(b"\n", at)
        first_end = len(data) if first_end < 0 else first_end
        try:
            end, fields = _quoted_record(data, at, rules)
            piece = _Piece(data[at:end], data.count(b"\n", at, end) + 1, fields)
        except _MalformedError as error:
            piece = _Piece(data[at:first_end], 1, [], _why_malformed(data, at, first_end, error.at, rules))
        except _UnclosedError:
            piece = _Piece(data[at:first_end], 1, [], "unclosed_quote")
        if piece.lines > 1 and len(piece.raw) > rules.max_record_bytes:
            piece = _Piece(data[at:first_end], 1, [], "unclosed_quote")
        if first_end - at > rules.max_record_bytes:  # the first line alone is too long
            piece = _Piece(data[at:first_end], 1, [], "oversized_record")
        yield piece
        at += len(piece.raw) + 1


def _why_malformed(data: bytes, begin: int, first_end: int, at: int, rules: Rules) -> str:
    """Return the reject reason of a record malformed at ``at``; encoding and size take precedence."""
    if at <= first_end:
        return "malformed_csv" if _decodes(data[begin:first_end], rules) else "undecodable_bytes"
    end = data.find(b"\n", at)
    end = len(data) if end < 0 else end
    return "unclosed_quote" if end - begin > rules.max_record_bytes else "malformed_csv"


def _decodes(raw: bytes, rules: Rules) -> bool:
    try:
        raw.decode(rules.encoding)
    except UnicodeDecodeError:
        return False
    return True


def _quoted_record(data: bytes, begin: int, rules: Rules) -> tuple[int, list[bytes]]:
    """Return the end of the record at ``begin``, a line feed or the end of the file, and its fields."""
    separator = rules.delimiter.encode(rules.encoding)
    limit, at = begin + rules.max_record_bytes, begin
    fields: list[bytes] = []
    while True:
        if data[at : at + 1] == b'"':
            field, at = _quoted_field(data, at + 1, limit, rules)
        else:
            field, at = _plain_field(data, at, separator)
        fields.append(field)
        if _at_end(data, at):
            return data.find(b"\n", at) if b"\n" in data[at : at + 2] else len(data), fields
        if not data.startswith(separator, at):
            raise _MalformedError(at)
        at += len(separator)


def _at_end(data: bytes, at: int) -> bool:
    """Whether a record ends here: at the end of the file, a line feed, or a carriage return before either."""
    return data[at : at + 1] in (b"", b"\n") or data[at : at + 2] == b"\r\n" or data[at:] == b"\r"


def _plain_field(data: bytes, begin: int, separator: bytes) -> tuple[bytes, int]:
    at = begin
    while not _at_end(data, at) and not data.startswith(separator, at):
        if data[at] in (QUOTE, RETURN):
            raise _MalformedError(at)
        at += 1
    return data[begin:at], at


def _quoted_field(data: bytes, at: int, limit: int, rules: Rules) -> tuple[bytes, int]:
    escape = rules.escape.encode() if rules.escape else None
    field = bytearray()
    while at < min(len(data), limit):
        one, two = data[at : at + 1], data[at + 1 : at + 2]
        if (one == escape and two in (b'"', b"\n", escape)) or one == two == b'"':
            field += two
            at += 2
        elif one == b'"':
            return bytes(field), at + 1
        else:
            field += one
            at += 1
    raise _UnclosedError


def without_return(raw: bytes) -> bytes:
    """Return a record without its trailing carriage return."""
    return raw[:-1] if raw.endswith(b"\r") else raw


def _outcome(piece: _Piece, rules: Rules, columns: tuple[str, ...]) -> Outcome:
    """Return the text and label, or the reject reason, of a well-formed record."""
    if len(piece.raw) > rules.max_record_bytes:
        return None, None, "oversized_record"
    raw = without_return(piece.raw)
    if not raw:
        return None, None, "blank_record"
    try:
        whole = raw.decode(rules.encoding)
    except UnicodeDecodeError:
        return None, None, "undecodable_bytes"
    if rules.format in ("csv", "tsv"):
        fields = [field.decode(rules.encoding) for field in piece.fields]
        if len(fields) != len(columns):
            return None, None, "missing_column" if len(fields) < len(columns) else "extra_column"
        return checked(fields[columns.index(rules.text)], fields[columns.index(rules.label)], rules)
    if rules.format == "text":
        found = re.fullmatch(rules.pattern, whole)
        return (None, None, "no_match") if found is None else checked(found["text"], found["label"], rules)
    return _json_outcome(whole, rules)


def _json_outcome(whole: str, rules: Rules) -> Outcome:
    try:
        value = json.loads(whole, parse_float=_number, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None, None, "invalid_json"
    if not isinstance(value, tuple):
        return None, None, "invalid_json"
    names = [name for name, _ in value]
    if names.count(rules.text) > 1 or names.count(rules.label) > 1:  # JSON readers disagree on which one wins
        return None, None, "invalid_json"
    text, label = dict(value).get(rules.text), dict(value).get(rules.label)
    if not isinstance(text, str | None) or isinstance(label, list | tuple):
        return None, None, "invalid_json"
    number = number_label(label)
    return (None, None, "fractional_label") if number is None and label is not None else checked(text, number, rules)


def _number(written: str) -> Decimal | float:
    try:
        return Decimal(written)
    except ArithmeticError:  # the exponent is too large
        return float("inf") if set(written.lower().partition("e")[0]) & set("123456789") else Decimal(0)


def number_label(label: Any) -> str | None:
    """Return a label as text; None for a number that is not whole."""
    if isinstance(label, bool):
        return "true" if label else "false"
    if isinstance(label, float):  # Infinity or NaN, which are not JSON but which Python accepts
        return None
    if isinstance(label, Decimal):
        if label and label.adjusted() > 308:  # too large for a double, like 1e999
            return None
        return str(int(label)) if label == label.to_integral_value() else None
    return None if label is None else str(label)


def checked(text: str | None, label: str | None, rules: Rules) -> Outcome:
    """Apply the rules for texts and labels of any format."""
    if text is None:
        return None, None, "missing_column"
    label = (label or "").strip()
    for fault, reason in _faults(text, label, rules):
        if fault:
            return None, None, reason
    return text, label, None


def _faults(text: str, label: str, rules: Rules) -> list[tuple[bool, str]]:
    return [
        (not text.strip(), "empty_text"),
        (not label, "missing_label"),
        ("\0" in text or "\0" in label, "nul_character"),
        (rules.labels is not None and label not in rules.labels, "unknown_label"),
        (any("\ud800" <= sign <= "\udfff" for sign in text + label), "undecodable_bytes"),  # a lone surrogate
    ]


def may_be_refused(data: bytes) -> bool:
    """Whether a file may be refused as a whole because its first line does not look like text."""
    first = data.removeprefix(MARK).partition(b"\n")[0]
    signs = (
        b"\xff\xfe",
        b"\xfe\xff",
        b"\0\0\xfe\xff",
        b"PK",
        b"\x1f",
        b"BZh",
        b"Obj\x01",
        b"ORC",
        b"PAR",
        b"Rar!",
        b"7z",
    )
    return (
        (b"\r" in data and b"\n" not in data.rstrip(b"\n"))
        or data.startswith(signs)
        or first.lstrip().startswith(b"[")
        or b"\0" in first
    )
