"""Split one quoted record into its fields, strictly by RFC 4180."""

import csv
import re
from collections.abc import Callable

Split = Callable[[str], list[str] | None]


def field_splitter(separator: str, escape: str | None = None) -> Split:
    r"""Make a function from a record, without its line end, to its fields, or to None if it is malformed.

    Args:
        separator: Character between fields.
        escape: Character that, inside quotes, escapes a quote, itself or a line feed; None for no such character.

    Example:
        >>> field_splitter(",")('a,"b ""c"", d"')
        ['a', 'b "c", d']
        >>> field_splitter(",")('a, "b"') is None
        True
    """

    apart = re.escape(separator)
    field = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"{apart}\r]*+)'
    well_formed = re.compile(f"{field}(?:{apart}{field})*+").fullmatch

    dialect = csv.reader((), delimiter=separator, strict=True).dialect  # made once: takes as long as reading a record

    def split(record: str) -> list[str] | None:
        if '"' not in record:
            return None if "\r" in record else record.split(separator)
        if record.endswith("\r"):
            return None
        if escape is not None and escape in record:
            return _split_escaped(record, separator, escape)
        try:
            fields = next(csv.reader((record,), dialect))
        except csv.Error:
            return None
        # The csv module allows quotes in fields without quotes; RFC 4180 does not.
        return None if '"' in "".join(fields) and well_formed(record) is None else fields

    return split


def _split_escaped(record: str, separator: str, escape: str) -> list[str] | None:
    fields: list[str] = []
    at, end = 0, len(record)
    while True:
        if record.startswith('"', at):
            value, at = _quoted(record, at + 1, escape)
            if at < 0:
                return None
        else:
            until = record.find(separator, at)
            until = end if until < 0 else until
            value, at = record[at:until], until
            if '"' in value or "\r" in value:
                return None
        fields.append(value)
        if at == end:
            return fields
        if not record.startswith(separator, at):
            return None
        at += len(separator)


def _quoted(record: str, at: int, escape: str) -> tuple[str, int]:
    """Return the rest of a quoted field from ``at`` on, and where its closing quote ends; -1 if it has none."""
    parts: list[str] = []
    while True:
        closing = record.find('"', at)
        escaped = record.find(escape, at, closing if closing >= 0 else len(record))
        if escaped >= 0:
            # Before any other character the escape character is an ordinary one.
            meant = record[escaped + 1 : escaped + 2] in ('"', escape, "\n")
            parts.append(record[at:escaped] if meant else record[at : escaped + 1])
            at = escaped + 1
            if meant:
                parts.append(record[at])
                at += 1
            continue
        if closing < 0:
            return "", -1
        parts.append(record[at:closing])
        at = closing + 1
        if not record.startswith('"', at):
            return "".join(parts), at
        parts.append('"')
        at += 1
