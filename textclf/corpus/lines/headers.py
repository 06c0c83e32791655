"""Read column names from the header lines of a source's files."""

from collections import Counter
from collections.abc import Mapping

from textclf.config import Source
from textclf.corpus.lines.quoted_records import Outcome, Quoting, outcome
from textclf.errors import InputError
from textclf.formats.csv_fields import field_splitter


def header_columns(source: Source, lines: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the columns that the header of every file names.

    Args:
        source: A source with a header.
        lines: First line of each file, by file name.

    Raises:
        InputError: A header cannot be read, the headers differ, or the text or label column is missing or appears
            twice.
    """
    headers = {_fields(source, file, line) for file, line in lines.items()}
    if len(headers) > 1:
        raise InputError(
            f"The files of source {source.name} have different headers.",
            received=" / ".join(", ".join(header) for header in sorted(headers)[:3]),
            expected="the same columns in the same order in every file",
            fix="define a separate source for each layout",
        )
    columns = headers.pop() if headers else ()
    if not {source.text, source.label} <= set(columns):
        raise InputError(
            f"The header of source {source.name} lacks a column.",
            received=", ".join(columns) or "no header",
            expected=f"the columns {source.text} and {source.label}",
            fix="name them in the pipeline file: text = ..., label = ...",
        )
    # Columns without a name, such as those after separators at a line's end, may repeat: they are never read.
    wanted = (source.text, source.label)
    twice = [name for name, count in Counter(columns).items() if count > 1 and (name.strip() or name in wanted)]
    if twice:
        raise InputError(
            f"The header of source {source.name} names a column twice.",
            received=", ".join(columns),
            expected=f"only one column {twice[0]}",
            fix="rename the columns in the files, or leave the header out and give their order: columns = [...]",
        )
    return columns


def _fields(source: Source, file: str, line: bytes) -> tuple[str, ...]:
    if len(line) > source.max_record_bytes:
        raise _unreadable(source, file, line, "a header within max_record_bytes", "raise max_record_bytes")
    record = line.removesuffix(b"\r")
    text = record.decode(source.encoding, errors="replace")
    if not source.quoted:
        return tuple(text.split(source.separator))
    if outcome(line, Quoting.of(source), inside=False) is Outcome.OPEN:
        fix = "write the header on one line, or leave it out and give the order of the fields: columns = [...]"
        raise _unreadable(source, file, line, "a header on one line; a quote in it is still open at its end", fix)
    fields = field_splitter(source.separator, source.escape)(text)
    if fields is None:
        fix = "write the header as RFC 4180 requires: quotes around a whole field, and doubled inside it"
        raise _unreadable(source, file, line, "a well-formed line of CSV", fix)
    return tuple(fields)


def _unreadable(source: Source, file: str, line: bytes, expected: str, fix: str) -> InputError:
    return InputError(
        f"The header of source {source.name} cannot be read.",
        received=f"{file}: {line[:200].decode(source.encoding, errors='replace')!r}",
        expected=expected,
        fix=fix,
    )
