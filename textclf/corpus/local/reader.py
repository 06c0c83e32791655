"""Read files by the rules of ingest, whole or in pieces, with the workers' code but without Spark."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from textclf.config import Source
from textclf.corpus.lines.headers import header_columns
from textclf.corpus.lines.line_blocks import Found, number_blocks
from textclf.corpus.lines.quoted_records import Piece, QuotedReader, QuoteScan, Quoting
from textclf.corpus.lines.records import Parsed, Parser, Reason, kept_bytes, parser
from textclf.corpus.lines.signatures import refusal, refuse
from textclf.corpus.parse import storable
from textclf.formats.csv_fields import field_splitter

_PART = 1 << 20  # bytes whose records are in memory at once
_MARK = b"\xef\xbb\xbf"  # Hadoop's reader skips it, too


class Record(NamedTuple):
    """A record of a file.

    Attributes:
        line: Number of the record's first line in the file, from 0, including headers.
        lines: Number of lines of the record.
        position: Number of the record in the file, as in ``corpus`` and ``corpus_rejects``.
        parsed: Text and label, or the reject reason.
        raw: Bytes of the record without the line feed at its end; only the beginning of a line beyond the limit.
    """

    line: int
    lines: int
    position: int
    parsed: Parsed
    raw: bytes


def read_records(source: Source, data: bytes, cuts: Sequence[int] = (), *, file: str = "file") -> Iterator[Record]:
    """Yield the records of one file in order. Each line except the header belongs to exactly one record.

    Args:
        source: A source of a line format.
        data: Bytes of the file, not compressed.
        cuts: Ascending numbers of the lines at which a new block begins. They do not change the records.
        file: Name of the file, for messages.

    Raises:
        InputError: The file or its header is refused.
    """
    lines = split_lines(source, data)
    if lines:
        columns = _columns(source, lines, file)
        yield from _records(source, lines, parser(source, columns), cuts)


def read_chunks(
    source: Source, chunks: Iterable[bytes], *, file: str = "file", cut: Callable[[], bool] = lambda: False
) -> Iterator[Record]:
    """Yield the records of a file that comes in pieces, as ``read_records`` does.

    Args:
        source: A source of a line format.
        chunks: Bytes of the file, cut anywhere.
        file: Name of the file, for messages.
        cut: Function that is called after the last chunk and says whether the file goes on. If it does, the
            incomplete record at the end is dropped.
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
    """Yield the lines of a file in groups of whole records, each with whether the file goes on."""
    rest, marked = b"", False
    parts: list[bytes] = []  # parts of a line whose end has not come yet
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
    """Yield each record of a delimited file, including its header, with its fields, or None if it is malformed.

    Bytes that cannot be decoded become replacement characters: this serves to find out a file's layout.
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
    """Return the columns that a file's header names, or None if the source has no header.

    Args:
        more: Whether the file has lines beyond these.
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
    """Yield the records of lines; the first line begins a record.

    Args:
        headed: Whether the lines include the header, if the source has one.
        first: Number of the first line and of the first record.
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
    """Number of bytes, from the beginning, that are whole records whatever follows the data."""
    end = data.rfind(b"\n") + 1
    if end and source.quoted:
        scan = QuoteScan(Quoting.of(source))
        scan.add(data[: end - 1].split(b"\n"))
        end -= scan.found().outside.open
    return end


def split_lines(source: Source, data: bytes) -> list[bytes]:
    """Split a file into lines as workers get them: without byte order mark and line feeds, long lines shortened."""
    return _shortened(source, data.removeprefix(_MARK))


def _shortened(source: Source, data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    limit, kept = source.max_record_bytes, kept_bytes(source)
    return [line[:kept] if len(line) > limit else line for line in lines]


def _kept(source: Source, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks without what ``_shortened`` drops of long lines, so that no line can fill the memory."""
    most = kept_bytes(source) + len(_MARK)
    length = 0  # bytes of the line whose end has not come yet
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
    """Yield each chunk that is not empty, with whether it is the last."""
    before = b""
    for chunk in chunks:
        if before and chunk:
            yield before, False
        before = chunk or before
    if before:
        yield before, True


def _pieces(source: Source, lines: list[bytes], cuts: Sequence[int]) -> Iterator[Piece]:
    """Yield the records of a quoted file, joining those that cross from block to block."""
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
