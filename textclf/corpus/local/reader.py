"""Files read by the rules of ingest, whole or piece by piece, with the code that workers run and without Spark."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from textclf.config import Source
from textclf.corpus.formats.headers import header_columns
from textclf.corpus.formats.line_blocks import Found, number_blocks
from textclf.corpus.formats.quoted_records import Piece, QuotedReader, QuoteScan, Quoting
from textclf.corpus.formats.records import Parsed, Parser, Reason, kept_bytes, parser
from textclf.corpus.formats.signatures import refusal, refuse
from textclf.corpus.parse import storable
from textclf.formats.csv_fields import field_splitter

_PART = 1 << 20  # bytes of which the records are in memory at once
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
    if lines:
        columns = _columns(source, lines, file)
        yield from _records(source, lines, parser(source, columns), cuts)


def read_chunks(
    source: Source, chunks: Iterable[bytes], *, file: str = "file", cut: Callable[[], bool] = lambda: False
) -> Iterator[Record]:
    """``read_records`` of a file that comes in pieces.

    Args:
        chunks: The file's bytes, cut anywhere.
        cut: Whether the file goes on, asked after the last chunk: what a cut leaves of the last record is no record.
    """
    parse: Parser | None = None
    line = position = 0
    for lines, more in _whole_records(source, chunks, cut):
        headed = parse is None
        parse = parse or parser(source, _columns(source, lines, file, more=more))
        for record in _records(source, lines, parse, headed=headed, first=(line, position)):
            yield record
            position += 1
        line += len(lines)


def _whole_records(
    source: Source, chunks: Iterable[bytes], cut: Callable[[], bool] = lambda: False
) -> Iterator[tuple[list[bytes], bool]]:
    """The lines of a file in parts, each of whole records; and whether the file goes on."""
    rest, marked = b"", False
    parts: list[bytes] = []  # of a line that goes on
    for chunk, last in _with_last(_kept(source, chunks)):
        parts.append(chunk)
        if b"\n" not in chunk and not last:
            continue
        rest, parts = b"".join((rest, *parts)), []
        if not marked and (len(rest) >= len(_MARK) or last):
            rest, marked = rest.removeprefix(_MARK), True
        ends = last and not cut()
        end = len(rest) if ends else _complete(source, rest)
        if end:
            lines, rest = _shortened(source, rest[:end]), rest[end:]
            yield lines, bool(rest) or not ends


def read_fields(source: Source, data: bytes) -> Iterator[tuple[bytes, list[str] | None]]:
    """Each record of a file of fields with its fields, a header among them; None where it is malformed.

    Bytes that are not of the encoding become marks: for a look at how a file is made.
    """
    bare = source.model_copy(update={"header": False})
    split = field_splitter(source.separator, source.escape) if source.quoted else None
    parts = (data[at : at + _PART] for at in range(0, len(data), _PART))
    for lines, _ in _whole_records(bare, parts):
        for piece in _pieces(bare, lines, ()) if source.quoted else (Piece(0, line) for line in lines):
            record = piece.raw.removesuffix(b"\r").decode(source.encoding, errors="replace")
            if piece.reason is not None:
                yield piece.raw, None
            else:
                yield piece.raw, record.split(source.separator) if split is None else split(record)


def _columns(source: Source, lines: list[bytes], file: str, *, more: bool = False) -> tuple[str, ...] | None:
    """The columns that a file's header names; None without one.

    Args:
        more: Whether the file has other lines beside these.
    """
    if (why := refusal(source, lines[0], alone=len(lines) == 1 and not more)) is not None:
        raise refuse(source, {file: why})
    return header_columns(source, {file: lines[0]}) if source.header else None


def _records(
    source: Source,
    lines: list[bytes],
    parse: Parser,
    cuts: Sequence[int] = (),
    *,
    headed: bool = True,
    first: tuple[int, int] = (0, 0),
) -> Iterator[Record]:
    """The records of lines of which the first begins one.

    Args:
        headed: Whether a header, where the source has one, is among them.
        first: Number of the first line, and of the first record.
    """
    if source.header and not headed:
        source = source.model_copy(update={"header": False})
    at, position = first
    skipped = int(source.header)
    at += skipped
    plain = (Piece(number, line) for number, line in enumerate(lines[skipped:]))
    for piece in _pieces(source, lines, cuts) if source.quoted else plain:
        parsed = parse(piece.raw) if piece.reason is None else Parsed(None, None, piece.reason)
        if not (storable(parsed.text) and storable(parsed.label)):
            parsed = Parsed(None, None, Reason.UNDECODABLE_BYTES)
        count = piece.raw.count(b"\n") + 1
        yield Record(at, count, position + piece.position, parsed, piece.raw)
        at += count


def _complete(source: Source, data: bytes) -> int:
    """Bytes of the records that are whole, whatever follows the data."""
    end = data.rfind(b"\n") + 1
    if end and source.quoted:
        scan = QuoteScan(Quoting.of(source))
        scan.add(data[: end - 1].split(b"\n"))
        end -= scan.found().outside.open
    return end


def split_lines(source: Source, data: bytes) -> list[bytes]:
    """The lines of a file as workers get them: without a mark and line feeds, long ones shortened."""
    return _shortened(source, data.removeprefix(_MARK))


def _shortened(source: Source, data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    limit, kept = source.max_record_bytes, kept_bytes(source)
    return [line[:kept] if len(line) > limit else line for line in lines]


def _kept(source: Source, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks without what ``_shortened`` drops of a line: one that never ends takes no memory."""
    most = kept_bytes(source) + len(_MARK)
    length = 0  # of the line that is open
    for chunk in chunks:
        first = chunk.find(b"\n")
        if first < 0:
            yield chunk[: max(most - length, 0)]
            length += len(chunk)
            continue
        begin, room = chunk.rfind(b"\n") + 1, max(most - length, 0)
        length = len(chunk) - begin
        fits = first <= room and length <= most
        yield chunk if fits else b"".join((chunk[: min(first, room)], chunk[first:begin], chunk[begin : begin + most]))


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each chunk that is not empty, and whether it is the last."""
    before = b""
    for chunk in chunks:
        if before and chunk:
            yield before, False
        before = chunk or before
    if before:
        yield before, True


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
