"""A whole file in memory read by the rules of ingest, with the code that workers run and without Spark."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from textclf.config import Source
from textclf.corpus.blocks import Found, number_blocks
from textclf.corpus.headers import header_columns
from textclf.corpus.parse import storable
from textclf.corpus.quotes import Piece, QuotedReader, QuoteScan, Quoting
from textclf.corpus.records import Parsed, Reason, kept_bytes, parser
from textclf.corpus.signatures import refusal, refuse

_MARK = b"\xef\xbb\xbf"  # Hadoop's reader skips it, too


class Record(NamedTuple):
    """A record of a file.

    Attributes:
        line: Number of its first line in the file, from 0, headers counted.
        lines: Number of its lines.
        position: Number of the record in the file, as in ``corpus`` and ``corpus_rejects``.
        parsed: Its text and label, or the reason why it is refused.
        raw: Its bytes without the line feed at its end; of a line beyond the limit, just the beginning.
    """

    line: int
    lines: int
    position: int
    parsed: Parsed
    raw: bytes


def read_records(source: Source, data: bytes, cuts: Sequence[int] = (), *, file: str = "file") -> Iterator[Record]:
    """The records of one file, in order: together they are all of its lines but the header, once each.

    Args:
        source: A source of a line format.
        data: The file's bytes, not compressed.
        cuts: Numbers of lines, rising, at which another block begins: the records are the same for any.
        file: The file's name, for messages.

    Raises:
        InputError: The file is refused as a whole, or its header is.
    """
    lines = split_lines(source, data)
    if not lines:
        return
    if (why := refusal(source, lines[0], alone=len(lines) == 1)) is not None:
        raise refuse(source, {file: why})
    columns = header_columns(source, {file: lines[0]}) if source.header else None
    parse = parser(source, columns)
    at = int(source.header)
    plain = (Piece(number, line) for number, line in enumerate(lines[at:]))
    for piece in _pieces(source, lines, cuts) if source.quoted else plain:
        parsed = parse(piece.raw) if piece.reason is None else Parsed(None, None, piece.reason)
        if not (storable(parsed.text) and storable(parsed.label)):
            parsed = Parsed(None, None, Reason.UNDECODABLE_BYTES)
        count = piece.raw.count(b"\n") + 1
        yield Record(at, count, piece.position, parsed, piece.raw)
        at += count


def split_lines(source: Source, data: bytes) -> list[bytes]:
    """The lines of a file as workers get them: without a mark and line feeds, long ones shortened."""
    lines = data.removeprefix(_MARK).split(b"\n")
    if not lines[-1]:
        lines.pop()
    limit, kept = source.max_record_bytes, kept_bytes(source)
    return [line[:kept] if len(line) > limit else line for line in lines]


def _pieces(source: Source, lines: list[bytes], cuts: Sequence[int]) -> Iterator[Piece]:
    """The pieces of a quoted file's blocks, those that cross from block to block put together."""
    quoting = Quoting.of(source)
    parts = [lines[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(lines)], strict=True) if begin < end]
    found = []
    for at, part in enumerate(parts):
        scan = QuoteScan(quoting)
        scan.add(part)
        found.append(Found("", at, len(part), scan.found()))
    fragments: list[Piece] = []
    for block, part in zip(number_blocks("", found, source), parts, strict=True):
        reader = QuotedReader(quoting, block.borders)
        for piece in reader.records(part) + reader.rest():
            if fragments and not (piece.partial and piece.position == fragments[0].position):
                yield _joined(fragments)
                fragments = []
            if piece.partial:
                fragments.append(piece)
            else:
                yield piece
    if fragments:
        yield _joined(fragments)


def _joined(fragments: list[Piece]) -> Piece:
    return Piece(fragments[0].position, b"\n".join(each.raw for each in fragments))
