"""A simple reader of quoted records, one character at a time, for tests to compare with."""

from typing import NamedTuple


class Simple(NamedTuple):
    """A record: its first line, its number of lines, and its fields or the reason why it has none."""

    line: int
    lines: int
    fields: list[str] | None
    reason: str | None


def simple_records(text: str, separator: str = ",", escape: str | None = None, limit: int = 1 << 20) -> list[Simple]:
    """Return the records of a file of ASCII characters."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    found, at = [], 0
    while at < len(lines):
        record = _record(lines, at, separator, escape, limit)
        found.append(record)
        at += record.lines
    return found


def _record(lines: list[str], at: int, separator: str, escape: str | None, limit: int) -> Simple:
    if len(lines[at]) > limit:
        return Simple(at, 1, None, "oversized_record")
    for until in range(at + 1, len(lines) + 1):
        record = "\n".join(lines[at:until])
        if len(record) > limit:
            break
        if record in ("", "\r"):
            return Simple(at, 1, None, "blank_record")
        fields = _fields(record.removesuffix("\r"), separator, escape)
        if isinstance(fields, list):
            return Simple(at, until - at, fields, None)
        # Where a record continues after a line, a carriage return at the end of that line belongs to the field.
        if fields == "malformed" or _fields(record, separator, escape) == "malformed":
            return Simple(at, 1, None, "malformed_csv")
    return Simple(at, 1, None, "unclosed_quote")


def _fields(record: str, separator: str, escape: str | None) -> list[str] | str:
    """Return the fields, ``open`` where a quote is still open at the record's end, or ``malformed``."""
    fields, value, state = [], "", "start"
    characters = iter(record)
    for character in characters:
        if state == "escape":
            value += character if character in ('"', escape, "\n") else f"{escape}{character}"
            state = "quoted"
            if character not in ('"', escape, "\n"):
                pass
        elif state == "quoted":
            if character == escape:
                state = "escape"
            elif character == '"':
                state = "quote"
            else:
                value += character
        elif state == "quote" and character == '"':
            value += '"'
            state = "quoted"
        elif character == separator:
            fields.append(value)
            value, state = "", "start"
        elif character == '"' and state == "start":
            state = "quoted"
        elif character in '"\r' or state == "quote":
            return "malformed"
        else:
            value += character
            state = "plain"
    return "open" if state in ("quoted", "escape") else [*fields, value]
