"""Recognise good records by Spark expressions alone, so that most records never pass through Python."""

import sys
from collections.abc import Sequence
from functools import lru_cache

from pyspark.sql import Column
from pyspark.sql import functions as F

from textclf.config import Source
from textclf.corpus.lines.records import allowed_labels
from textclf.formats import line_format
from textclf.formats.delimited import Delimited
from textclf.formats.encodings import is_utf8

_PRINTABLE = r"\A[!-~]+\z"  # a label of these characters has no blanks to strip


def plain_lines(source: Source, columns: Sequence[str] | None, line: Column) -> dict[str, Column]:
    """Make the expressions that recognise and read good records in a source's lines.

    Returns:
        ``good``: whether the line is certainly a good record. It is never null, and always false unless the source is
        delimited UTF-8 without quoting. Lines that are not good are left to ``records.parser``, which reads good ones
        the same way. ``text`` and ``label``: those of a good record; undefined for other lines.
    """
    # A format that takes a record apart otherwise is read by its own rules alone.
    by_delimiter = type(line_format(source.format)).fields is Delimited.fields
    if not by_delimiter or source.quoted or not is_utf8(source.encoding):
        return {"good": F.lit(False), "text": F.lit(None).cast("string"), "label": F.lit(None).cast("string")}
    fields, exact = _fields(line, list(columns or source.columns or []), source.separator)
    text, label = fields[source.text], fields[source.label]
    good = exact & ~F.endswith(line, F.lit("\r")) & _checks(source, line, text, label)
    return {"good": F.coalesce(good, F.lit(False)), "text": text, "label": label}


def _fields(line: Column, names: Sequence[str], separator: str) -> tuple[dict[str, Column], Column]:
    """Split a line into fields, with an expression for whether it has exactly as many fields as ``names``.

    Fields are taken from the end of the line: the rest is cut by its length in bytes, which costs less than a search.
    """
    fields: dict[str, Column] = {}
    exact, rest = F.lit(True), line
    for name in reversed(names[1:]):
        field = F.substring_index(rest, separator, -1)
        before = F.octet_length(rest) - F.octet_length(field) - len(separator.encode())
        exact &= before >= 0
        rest = F.substring(rest.cast("binary"), F.lit(1), before).cast("string")
        fields[name] = field
    fields[names[0]] = rest
    return fields, exact & ~F.contains(rest, F.lit(separator))


def plain_columns(source: Source, text: Column, label: Column) -> dict[str, Column]:
    """The same as ``plain_lines``, for a columnar source."""
    good = _checks(source, text, text, label)
    return {"good": F.coalesce(good, F.lit(False)), "text": text, "label": label}


def _checks(source: Source, record: Column, text: Column, label: Column) -> Column:
    allowed = allowed_labels(source)
    first = F.ascii(F.ltrim(text))  # the code point of the first character that is not a space; 0 if there is none
    return (
        (F.octet_length(record) <= source.max_record_bytes)
        & F.is_valid_utf8(record)
        & (first > F.lit(0))
        & ~first.isin(*_blanks())
        & ~F.contains(text, F.lit("\0"))
        & (label.rlike(_PRINTABLE) if allowed is None else label.isin(*allowed))
    )


@lru_cache(maxsize=1)
def _blanks() -> tuple[int, ...]:
    """Code points of what Python calls white space; a text that has only these is empty."""
    return tuple(code for code in range(sys.maxunicode + 1) if chr(code).isspace())
