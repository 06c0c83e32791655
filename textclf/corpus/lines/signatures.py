"""Detect files that are not lines of text in the source's format by how they begin; they are refused as a whole."""

import re

from textclf.config import Source
from textclf.corpus.lines.quoted_records import Outcome, Quoting, outcome
from textclf.errors import InputError
from textclf.formats import line_format

_SURE = 8  # NULs at every other byte that are no accident, whatever the bytes between them are
HEAD_BYTES = 1024  # bytes of a file's first line that are examined

RETURNS = r"its lines end in carriage returns alone: convert them, for example: tr '\r' '\n' < FILE > NEW"
_CONVERT = "convert it to UTF-8, for example: iconv -f {} -t UTF-8 FILE > NEW"
_UNPACK = "unpack it"
_MARKS = [  # the longer ones first: the mark of UTF-32 begins with that of UTF-16
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
]
_KINDS = [
    (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "a zip archive", _UNPACK),
    (rb"(?s).{257}ustar", "a tar archive", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (rb"Rar!\x1a\x07", "a rar archive", _UNPACK),
    (rb"\xfd7zXZ\0", "compressed by xz", _UNPACK),
    (rb"\x1f\x8b\x08", "compressed by gzip", _UNPACK + ", or give it a name that ends in .gz"),
    (rb"BZh[1-9]1AY&SY", "compressed by bzip2", _UNPACK + ", or give it a name that ends in .bz2"),
    (rb"\x28\xb5\x2f\xfd", "compressed by zstd", _UNPACK + ", or give it a name that ends in .zst"),
    (rb"\x04\x22\x4d\x18", "compressed by lz4", _UNPACK),
    (rb"\x1f\x9d|LZIP\x01|\x89LZO\0", "compressed", _UNPACK),
    (rb"PAR[1E][\0-\x08\x0b\x0c\x0e-\x1f]", "a Parquet file", 'set format = "parquet"'),
    (rb"ORC([\0-\x08\x0b\x0c\x0e-\x1f\x80-\xff]|\Z)", "an ORC file", "convert it, for example to Parquet"),
    (rb"Obj\x01", "an Avro file", "convert it, for example to Parquet"),
]


def refusal(source: Source, line: bytes, *, alone: bool) -> str | None:
    """Return why a file cannot be read in its source's format, with a fix, or None if it can be read.

    Args:
        source: A source of a line format.
        line: First line of the file, without its line feed, or the beginning of that line.
        alone: Whether the file has no other line.
    """
    head = line[:HEAD_BYTES]
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return f"it is {encoding}: {_CONVERT.format(encoding)}"
    for pattern, kind, fix in _KINDS:
        if re.match(pattern, head):
            return f"it is {kind}: {fix}"
    own = line_format(source.format)
    wide = _wide(head, own.structural_byte(source))
    if wide is not None:
        return f"it is {wide} without a byte order mark: {_CONVERT.format(wide)}"
    if alone and b"\r" in line[:-1] and _splits_at_returns(source, line):
        return RETURNS
    return own.refusal(line)


def refuse(source: Source, reasons: dict[str, str]) -> InputError:
    """Make the error for files that cannot be read.

    Args:
        source: Source of the files.
        reasons: Result of ``refusal`` by file name.
    """
    shown = [f"{file}: {reason}" for file, reason in sorted(reasons.items())[:5]]
    shown += [f"and {len(reasons) - 5} more files"] if len(reasons) > 5 else []
    return InputError(
        f"Source {source.name} has files that are not {source.format} lines.",
        received="; ".join(shown),
        expected=f"lines of text in {source.encoding} that end in line feeds, format {source.format}",
        fix="convert the files as described, or leave them out of path",
    )


def _splits_at_returns(source: Source, line: bytes) -> bool:
    """Whether there are carriage returns outside quotes."""
    return not source.quoted or outcome(line, Quoting.of(source), inside=False) is Outcome.MALFORMED


def _wide(head: bytes, sign: bytes) -> str | None:
    """Detect an encoding of two or four bytes per character by its NULs."""
    if b"\0" not in head:
        return None
    # In each group of four bytes the highest is 0, and the next is at most 0x10, the plane of the last character.
    for name, highest, plane in (("UTF-32LE", 3, 2), ("UTF-32BE", 0, 1)):
        if len(head) >= 8 and not any(head[highest::4]) and max(head[plane::4]) <= 0x10:
            return name
    even, odd = head[0::2].count(0), head[1::2].count(0)
    for name, own, other, shift in (("UTF-16LE", odd, even, 1), ("UTF-16BE", even, odd, -1)):
        if other or own < 2:
            continue
        # A few NULs in a short line may be part of its text. Require that its separators have two bytes as well.
        many = own >= _SURE and own >= len(head) // 2 / 3
        if many or (_accompanied(head, sign, shift) and _is_text(head, name)):
            return name
    return None


def _accompanied(head: bytes, sign: bytes, shift: int) -> bool:
    """Whether ``sign`` occurs where a character begins, each time with a NUL beside it."""
    first = 0 if shift > 0 else 1
    places = [at for at in range(first, len(head), 2) if head[at : at + 1] == sign and 0 <= at + shift < len(head)]
    return bool(places) and all(head[at + shift] == 0 for at in places)


def _is_text(head: bytes, encoding: str) -> bool:
    try:
        head[: len(head) // 2 * 2].decode(encoding)
    except UnicodeDecodeError as error:
        return error.end >= len(head) - 2  # the head ends in the middle of a surrogate pair
    return True
