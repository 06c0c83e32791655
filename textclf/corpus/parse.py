"""The worker's side of ingest: lines of blocks in, numbered records, accepted or refused, out."""

from collections.abc import Callable, Iterator
from itertools import repeat

import pyarrow as pa
from pyspark.sql.types import BinaryType, LongType, StringType, StructField, StructType

from textclf.config import Source
from textclf.corpus.blocks import Block, BlockPlan, runs
from textclf.corpus.number_labels import whole_label
from textclf.corpus.quotes import inside_after
from textclf.corpus.records import Parsed, Reason, allowed_labels, check, parser, raw_text
from textclf.tables.schemas import TableSpec

STAGED = TableSpec(
    "ingest",
    StructType(
        [
            StructField("source", StringType()),
            StructField("file", StringType()),
            StructField("position", LongType()),
            StructField("text", StringType()),
            StructField("label", StringType()),
            StructField("reason", StringType()),
            StructField("raw", StringType()),
            # A part of a record that crosses into another block, and where that part begins in the file.
            StructField("fragment", BinaryType()),
            StructField("start", LongType()),
        ]
    ),
    statistics=(),
)
_TYPES = [pa.string(), pa.string(), pa.int64(), *[pa.string()] * 4, pa.binary(), pa.int64()]

Batches = Iterator[pa.RecordBatch]
Row = tuple[str, str, int, str | None, str | None, str | None, str | None, bytes | None, int | None]


def line_parser(source: Source, plan: BlockPlan) -> Callable[[Batches], Batches]:
    """A function for ``mapInArrow`` from (block, position, value), a record each, to rows of ``STAGED``."""
    files = {block.id: block.file for block in plan.blocks}

    def parse(batches: Batches) -> Batches:
        parse_record = parser(source, plan.columns)
        for batch in batches:
            records = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            yield _batch([_finished(source, files[block], at, raw, parse_record(raw)) for block, at, raw in records])

    return parse


def quoted_parser(source: Source, plan: BlockPlan) -> Callable[[Batches], Batches]:
    """A function for ``mapInArrow`` from (block, value), lines in order, to rows of ``STAGED``.

    Quoted fields may hold line feeds, so that records are not lines.
    """
    blocks = {block.id: block for block in plan.blocks}
    separator = source.separator.encode(source.encoding)

    def parse(batches: Batches) -> Batches:
        parse_record = parser(source, plan.columns)
        readers: dict[int, _QuotedReader] = {}
        for batch in batches:
            rows: list[Row] = []
            for (block,), lines in runs(batch, ["block"]):
                if block not in readers:
                    readers[block] = _QuotedReader(blocks[block], separator, source.max_record_bytes)
                reader = readers[block]
                for position, raw, partial in reader.records(lines):
                    rows.append(_row(source, reader.block, position, raw, parse_record, partial=partial))
            yield _batch(rows)
        rest = [
            _row(source, reader.block, position, raw, parse_record, partial=True)
            for reader in readers.values()
            for position, raw in reader.rest()
        ]
        yield _batch(rest)

    return parse


def fragment_parser(source: Source, plan: BlockPlan) -> Callable[[Batches], Batches]:
    """A function for ``mapInArrow`` from (file, position, fragments in order) to rows of ``STAGED``."""
    unclosed = {(block.file, block.unclosed) for block in plan.blocks}

    def parse(batches: Batches) -> Batches:
        parse_record = parser(source, plan.columns)
        for batch in batches:
            rows: list[Row] = []
            for values in batch.to_pylist():
                raw = b"\n".join(values["fragments"])
                parsed = parse_record(raw)
                if (values["file"], values["position"]) in unclosed and parsed.reason != Reason.OVERSIZED_RECORD:
                    parsed = Parsed(None, None, Reason.UNCLOSED_QUOTE)
                rows.append(_finished(source, values["file"], values["position"], raw, parsed))
            yield _batch(rows)

    return parse


def column_parser(source: Source, plan: BlockPlan, *, numbers: bool = False) -> Callable[[Batches], Batches]:
    """A function for ``mapInArrow`` from (block, position, value, label) of a columnar format to rows of ``STAGED``.

    Args:
        numbers: Labels are numbers, as Spark writes them, that need not be whole.
    """
    files = {block.id: block.file for block in plan.blocks}
    allowed, limit = allowed_labels(source), source.max_record_bytes

    def parse(batches: Batches) -> Batches:
        for batch in batches:
            rows: list[Row] = []
            for block, position, raw, label in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                whole = whole_label(label) if numbers and label is not None else label
                parsed = _checked(raw, whole, allowed, limit)
                if whole is None and label is not None and parsed.reason == Reason.MISSING_LABEL:
                    parsed, raw = Parsed(None, None, Reason.FRACTIONAL_LABEL), label.encode()
                rows.append(_finished(source, files[block], position, raw or b"", parsed))
            yield _batch(rows)

    return parse


def _checked(raw: bytes | None, label: str | None, allowed: frozenset[str] | None, limit: int) -> Parsed:
    if raw is None:
        return Parsed(None, None, Reason.EMPTY_TEXT)
    if len(raw) > limit:
        return Parsed(None, None, Reason.OVERSIZED_RECORD)
    try:
        return check(raw.decode("utf-8"), label, allowed)
    except UnicodeDecodeError:
        return Parsed(None, None, Reason.UNDECODABLE_BYTES)


class _QuotedReader:
    """The records of one block whose quoted fields may hold line feeds."""

    def __init__(self, block: Block, separator: bytes, limit: int) -> None:
        self.block = block
        self._separator, self._limit = separator, limit
        self._number, self._inside = block.first - 1, block.inside
        self._leading = block.inside  # the first record began in an earlier block
        self._pending: list[bytes] = []
        self._size = 0

    def records(self, lines: list[bytes]) -> Iterator[tuple[int, bytes, bool]]:
        """Number, bytes and whether it is only a part, of each record that ends in ``lines``."""
        for line in lines:
            if not self._inside:
                self._number += 1
                self._pending, self._size = [], 0
            if self._size <= self._limit:  # beyond it the record is refused anyway
                self._pending.append(line)
                self._size += len(line) + 1
            if b'"' in line:
                self._inside = inside_after(line, self._inside, self._separator)
            if not self._inside:
                if self._number >= 0:
                    yield self._number, b"\n".join(self._pending), self._leading
                self._leading = False

    def rest(self) -> Iterator[tuple[int, bytes]]:
        """The record that the block's end cuts off."""
        if self._inside and self._number >= 0:
            yield self._number, b"\n".join(self._pending)


def _row(
    source: Source, block: Block, position: int, raw: bytes, parse: Callable[[bytes], Parsed], *, partial: bool
) -> Row:
    if partial:
        return source.name, block.file, position, None, None, None, None, raw, block.start
    return _finished(source, block.file, position, raw, parse(raw))


def _finished(source: Source, file: str, position: int, raw: bytes, parsed: Parsed) -> Row:
    text, label, reason = parsed
    if reason is None and not _storable(text, label):
        text, label, reason = None, None, Reason.UNDECODABLE_BYTES
    kept = None if reason is None else raw_text(raw, source.encoding)
    return source.name, file, position, text, label, reason, kept, None, None


def _storable(*values: str | None) -> bool:
    """False where a text holds half a surrogate pair, as JSON escapes can: no table can hold that."""
    try:
        for value in values:
            if value is not None and not value.isascii():
                value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else repeat((), len(_TYPES))
    arrays = [pa.array(column, kind) for column, kind in zip(columns, _TYPES, strict=True)]
    return pa.record_batch(arrays, names=STAGED.columns)
