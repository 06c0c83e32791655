"""Parse one record of a source into a labelled text or a reject reason, by pure functions."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textclf.config import Source
from textclf.formats import line_format
from textclf.formats.reject_reasons import Reason

__all__ = [
    "RAW_CHARACTERS",
    "Parsed",
    "Parser",
    "Reason",
    "allowed_labels",
    "check",
    "kept_bytes",
    "parser",
    "raw_text",
]

RAW_CHARACTERS = 1000  # characters of a rejected record that are kept


class Parsed(NamedTuple):
    """A labelled text, or a reject with its reason."""

    text: str | None
    label: str | None
    reason: Reason | None


Parser = Callable[[bytes], Parsed]


def _rejected(reason: Reason) -> Parsed:
    return Parsed(None, None, reason)


def check(text: str | None, label: str | None, allowed: frozenset[str] | None) -> Parsed:
    """Accept a text with its label, or reject it with a reason.

    The text is kept as it is, spaces included. Blanks around the label are stripped. A text or label with a NUL is
    rejected, so that no table holds one.
    """
    if text is None:
        return _rejected(Reason.MISSING_COLUMN)
    if not text or text.isspace():
        return _rejected(Reason.EMPTY_TEXT)
    label = (label or "").strip()
    if not label:
        return _rejected(Reason.MISSING_LABEL)
    if "\0" in text or "\0" in label:
        return _rejected(Reason.NUL_CHARACTER)
    if allowed is not None and label not in allowed:
        return _rejected(Reason.UNKNOWN_LABEL)
    return Parsed(text, label, None)


def allowed_labels(source: Source) -> frozenset[str] | None:
    """Return the source's set of labels, or None if any label is allowed."""
    return None if source.labels is None else frozenset(source.labels)


def parser(source: Source, columns: Sequence[str] | None = None) -> Parser:
    """Make the parser of a source's records.

    Args:
        source: A source of a line format.
        columns: Names of the fields in order, if the file's header gives them.

    Returns:
        A function from the bytes of one record, without its final line feed, to ``Parsed``.
    """
    fields = line_format(source.format).fields(source, list(columns or source.columns or []))
    allowed = allowed_labels(source)
    encoding, limit = source.encoding, source.max_record_bytes

    def parse(raw: bytes) -> Parsed:
        if len(raw) > limit:
            return _rejected(Reason.OVERSIZED_RECORD)
        if raw.endswith(b"\r"):
            raw = raw[:-1]
        if not raw:
            return _rejected(Reason.BLANK_RECORD)
        try:
            record = raw.decode(encoding)
        except UnicodeError:
            return _rejected(Reason.UNDECODABLE_BYTES)
        found = fields(record)
        return _rejected(found) if isinstance(found, Reason) else check(*found, allowed)

    return parse


def kept_bytes(source: Source) -> int:
    """Bytes that are kept of a line beyond the limit: enough to recognise it as oversized."""
    return max(source.max_record_bytes + 1, 4 * RAW_CHARACTERS)


def raw_text(raw: bytes, encoding: str) -> str:
    """Return the beginning of a rejected record as text that any table can hold."""
    # Four bytes are the longest encoding of one character.
    text = raw[: 4 * RAW_CHARACTERS].decode(encoding, errors="replace")[:RAW_CHARACTERS]
    return text.encode("utf-8", errors="replace").decode("utf-8")
