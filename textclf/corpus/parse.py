"""Ingest on the workers: turn lines of blocks into numbered records, each accepted or rejected."""

from collections.abc import Callable, Iterator
from itertools import repeat

import pyarrow as pa
from pyspark.sql.types import BinaryType, LongType, StringType, StructField, StructType

from textclf.config import Source
from textclf.corpus.lines.line_blocks import Block, BlockPlan, runs
from textclf.corpus.lines.quoted_records import Piece, QuotedReader, Quoting
from textclf.corpus.lines.records import Parsed, Reason, allowed_labels, check, parser, raw_text
from textclf.corpus.lines.signatures import refusal
from textclf.formats.number_labels import written_label
from textclf.storage.schemas import TableSpec

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
            StructField("lines", LongType()),
            # A part of a record that crosses into another block, and the offset in the file of the part's block.
            StructField("fragment", BinaryType()),
            StructField("start", LongType()),
        ]
    ),
    statistics=(),
)
_TYPES = [pa.string(), pa.string(), pa.int64(), *[pa.string()] * 4, pa.int64(), pa.binary(), pa.int64()]

REFUSED_FILE = "refused_file"
"""Placeholder for a reject reason when a whole file is refused; ``raw`` says why. It is never published."""

Batches = Iterator[pa.RecordBatch]
Row = tuple[str, str, int, str | None, str | None, str | None, str | None, int | None, bytes | None, int | None]


def line_parser(source: Source, plan: BlockPlan) -> Callable[[Batches], Batches]:
    """Make a function for ``mapInArrow`` from (block, position, value), one record a row, to rows of ``STAGED``."""
    blocks = {block.id: block for block in plan.blocks}

    def parse(batches: Batches) -> Batches:
        parse_record = parser(source, plan.columns)
        for batch in batches:
            rows: list[Row] = []
            for at, position, raw in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                block = blocks[at]
                if position == 0 and not source.header:  # headers were checked in the first look
                    why = refusal(source, raw, alone=block.alone)
                    if why is not None:
                        rows.append((source.name, block.file, 0, None, None, REFUSED_FILE, why, 1, None, None))
                        continue
                rows.append(_finished(source, block.file, position, raw, parse_record(raw)))
            yield _batch(rows)

    return parse


def quoted_parser(source: Source, plan: BlockPlan) -> Callable[[Batches], Batches]:
    """Make a function for ``mapInArrow`` from (block, value), lines in order, to rows of ``STAGED``.

    Quoted fields may hold line feeds, so a record may have several lines.
    """
    blocks = {block.id: block for block in plan.blocks}
    quoting = Quoting.of(source)

    def parse(batches: Batches) -> Batches:
        parse_record = parser(source, plan.columns)
        readers: dict[int, QuotedReader] = {}
        for batch in batches:
            rows: list[Row] = []
            for (block,), values in runs(batch, ["block"]):
                if block not in readers:
                    readers[block] = QuotedReader(quoting, blocks[block].borders)
                pieces = readers[block].records(values.to_pylist())
                rows += [_row(source, blocks[block], piece, parse_record) for piece in pieces]
            yield _batch(rows)
        rest = [
            _row(source, blocks[block], piece, parse_record)
            for block, reader in readers.items()
            for piece in reader.rest()
        ]
        yield _batch(rest)

    return parse


def fragment_parser(source: Source, plan: BlockPlan) -> Callable[[Batches], Batches]:
    """Make a function for ``mapInArrow`` from (file, position, fragments in order) to rows of ``STAGED``."""

    def parse(batches: Batches) -> Batches:
        parse_record = parser(source, plan.columns)
        for batch in batches:
            rows: list[Row] = []
            for values in batch.to_pylist():
                raw = b"\n".join(values["fragments"])
                lines = raw.count(b"\n") + 1
                rows.append(_finished(source, values["file"], values["position"], raw, parse_record(raw), lines))
            yield _batch(rows)

    return parse


def column_parser(source: Source, plan: BlockPlan, *, numbers: bool = False) -> Callable[[Batches], Batches]:
    """Make a function for ``mapInArrow`` from (block, position, value, label) of a columnar format to ``STAGED``.

    Args:
        numbers: Whether labels are numbers, written as Spark writes them, that may have a fraction.
    """
    files = {block.id: block.file for block in plan.blocks}
    allowed, limit = allowed_labels(source), source.max_record_bytes

    def parse(batches: Batches) -> Batches:
        for batch in batches:
            rows: list[Row] = []
            *others, labels = batch.columns
            for block, position, raw, label in zip(
                *(column.to_pylist() for column in others), _labels(labels), strict=True
            ):
                if isinstance(label, bytes):
                    parsed = Parsed(None, None, Reason.UNDECODABLE_BYTES)
                    rows.append(_finished(source, files[block], position, raw or label, parsed, None))
                    continue
                whole = written_label(label) if numbers and label is not None else label
                parsed = _checked(raw, whole, allowed, limit)
                if whole is None and label is not None and parsed.reason == Reason.MISSING_LABEL:
                    parsed, raw = Parsed(None, None, Reason.FRACTIONAL_LABEL), label.encode()
                rows.append(_finished(source, files[block], position, raw or b"", parsed, None))
            yield _batch(rows)

    return parse


def _labels(column: pa.Array) -> list[str | bytes | None]:
    """Labels as strings, or as bytes where they are not valid UTF-8, which a string column may hold."""
    try:
        values: list[str | bytes | None] = column.to_pylist()
        return values
    except UnicodeDecodeError:
        return [_text_or_bytes(value) for value in column.cast(pa.binary()).to_pylist()]


def _text_or_bytes(value: bytes | None) -> str | bytes | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def _checked(raw: bytes | None, label: str | None, allowed: frozenset[str] | None, limit: int) -> Parsed:
    if raw is None:
        return Parsed(None, None, Reason.EMPTY_TEXT)
    if len(raw) > limit:
        return Parsed(None, None, Reason.OVERSIZED_RECORD)
    try:
        return check(raw.decode("utf-8"), label, allowed)
    except UnicodeDecodeError:
        return Parsed(None, None, Reason.UNDECODABLE_BYTES)


def _row(source: Source, block: Block, piece: Piece, parse: Callable[[bytes], Parsed]) -> Row:
    position, raw, reason, partial = piece
    if partial:
        return source.name, block.file, position, None, None, None, None, None, raw, block.start
    parsed = parse(raw) if reason is None else Parsed(None, None, reason)
    return _finished(source, block.file, position, raw, parsed, raw.count(b"\n") + 1)


def _finished(source: Source, file: str, position: int, raw: bytes, parsed: Parsed, lines: int | None = 1) -> Row:
    text, label, reason = parsed
    if reason is None:
        if storable(text) and storable(label):
            return source.name, file, position, text, label, None, None, lines, None, None
        reason = Reason.UNDECODABLE_BYTES
    return source.name, file, position, None, None, reason, raw_text(raw, source.encoding), lines, None, None


def storable(value: str | None) -> bool:
    """Whether a table can hold a string: not if it has half a surrogate pair, which JSON escapes can produce."""
    try:
        if value is not None and not value.isascii():
            value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else repeat((), len(_TYPES))
    arrays = [pa.array(column, kind) for column, kind in zip(columns, _TYPES, strict=True)]
    return pa.record_batch(arrays, names=STAGED.columns)
