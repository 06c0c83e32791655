"""Divide files into blocks of lines and find the number of each block's first record.

Spark reads a file in blocks. One task reads a block, and each line belongs to exactly one block. A first look
counts the records that begin in each block. The sum over all blocks before a block is the number of its first
record, so record numbers are exact however the file is cut.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, LongType, StringType, StructField, StructType

from textclf.config import Source
from textclf.corpus.lines.fast_path import plain_lines
from textclf.corpus.lines.headers import header_columns
from textclf.corpus.lines.quoted_records import Borders, Entry, QuoteScan, Quoting, Reading, Scanned, fate
from textclf.corpus.lines.records import kept_bytes
from textclf.corpus.lines.signatures import HEAD_BYTES, RETURNS, refusal, refuse
from textclf.formats.reject_reasons import Reason
from textclf.storage.files.columns import file_of, read_lines
from textclf.storage.files.folder_walk import path_part
from textclf.storage.files.listing import Listing, has_signs
from textclf.storage.warehouse import absolute


class Found(NamedTuple):
    """Result of the first look at a block; ``head`` is the file's first line if the block begins with it."""

    path: str
    start: int
    lines: int
    scanned: Scanned
    head: bytes | None = None
    first_row: int = 0
    plain: int = 0


_SCAN = StructType(
    [
        StructField("path", StringType()),
        StructField("start", LongType()),
        StructField("lines", LongType()),
        StructField("head", BinaryType()),
        *(StructField(name, LongType()) for name in ("begun", "open", "given_up", "entry", "entered")),
        *(StructField(f"rest_{name}", LongType()) for name in Reading._fields),
    ]
)


@dataclass(frozen=True)
class Block:
    """A run of lines of one file.

    Attributes:
        file: Name of the file within its source.
        first: Number of the first record that begins in the block; -1 if that record is the header.
        begun: Number of records that begin in the block, including a header.
        inside: Whether the block begins inside a record, which closes here or later.
        fails: Why the record that is open at the block's end fails; None if it closes in a later block.
        lines: Number of lines that begin in the block.
        alone: Whether the file has only one line.
        first_row: Spark's number of the block's first row, if each row is a record.
        plain: Number of records that are certainly good, if each row is a record.
    """

    id: int
    path: str
    start: int
    file: str
    first: int
    begun: int
    inside: bool = False
    fails: Reason | None = Reason.UNCLOSED_QUOTE
    lines: int = 0
    alone: bool = False
    first_row: int = 0
    plain: int = 0

    @property
    def borders(self) -> Borders:
        """What the neighbouring blocks decide about this block's records."""
        return Borders(self.first, self.inside, self.fails)


@dataclass(frozen=True)
class BlockPlan:
    """All blocks of a source, and the columns that its header named."""

    blocks: tuple[Block, ...]
    columns: tuple[str, ...] | None = None

    @property
    def records(self) -> int:
        """Number of records in all files, without headers."""
        return sum(block.begun + min(block.first, 0) for block in self.blocks)

    @property
    def plain(self) -> int:
        """Number of records that are certainly good."""
        return sum(block.plain for block in self.blocks)

    @property
    def lines(self) -> int:
        """Number of lines in all files."""
        return sum(block.lines for block in self.blocks)

    @property
    def headers(self) -> int:
        """Number of lines that are headers."""
        return sum(block.first < 0 for block in self.blocks)


def with_place(rows: DataFrame, **columns: Column) -> DataFrame:
    """Select the columns path, start (of the block) and row, and the given columns, computed once per row.

    ``row`` rises by one from record to record of a block. It is the same in each query as long as files are cut the
    same way, which they are while nothing writes to them.
    """
    file = file_of(rows)
    return rows.select(
        file["file_path"].alias("path"),
        file["file_block_start"].alias("start"),
        F.monotonically_increasing_id().alias("row"),
        *(column.alias(name) for name, column in columns.items()),
    )


def raw_value(source: Source) -> Column:
    """Return the bytes of a line without its line feed.

    A line beyond the source's limit is shortened, so that it never fills a worker's memory. At least one byte over the
    limit is kept, so that it is still recognised.
    """
    raw = F.col("value").cast("binary")
    kept = kept_bytes(source)
    return F.when(F.octet_length("value") > kept, F.substring(raw, 1, kept)).otherwise(raw)


def plan_lines(spark: SparkSession, source: Source, listing: Listing) -> tuple[DataFrame, BlockPlan]:
    """Open a source's lines and plan their blocks.

    Returns:
        The lines with place, value and, without quoting, the columns of ``plain_lines``; and the blocks.

    Raises:
        InputError: A file holds no lines of the source's format, a header lacks the text or label column, or the
            files' headers differ.
    """
    lines = read_lines(spark, listing)
    value = raw_value(source)
    if source.quoted:
        rows = with_place(lines, value=value)
        found = _scan(rows, source)
        heads = _heads(source, found)
        columns = header_columns(source, heads) if source.header else None
        return rows, BlockPlan(_number_all(found, source), columns)
    columns = None
    if source.header:
        columns = header_columns(
            source, _heads(source, _scan(with_place(lines, value=value).where("start = 0"), source))
        )
    line = F.col("value")
    rows = with_place(lines, value=value, line=line, **plain_lines(source, columns, line))
    return rows, plan_rows(rows, source, columns)


def plan_rows(rows: DataFrame, source: Source, columns: tuple[str, ...] | None = None) -> BlockPlan:
    """Count and number the records of each block of a source whose rows are one record each, without Python."""
    lines = not source.kind.columnar
    found, returns = [], set()
    for row in first_counts(rows, source).collect():
        header = source.header and row["start"] == 0 and row["header"]
        plain = row["plain"] - int(header)
        scanned = Scanned(Reading(row["begun"]))
        found.append(Found(row["path"], row["start"], row["begun"], scanned, None, row["first_row"], plain))
        if lines and row["returns"] and row["begun"] == 1:
            returns.add(row["path"])
    plan = BlockPlan(_number_all(found, source), columns)
    if alone := {block.path: block.file for block in plan.blocks if block.alone and block.path in returns}:
        raise refuse(source, _reasons(rows, source, alone))
    return plan


def first_counts(rows: DataFrame, source: Source) -> DataFrame:
    """Return the query that counts each block's rows, and the plain ones among them, in one pass without a sort."""
    counts = {"begun": F.count("*"), "first_row": F.min("row"), "plain": F.count_if("good")}
    if source.header:  # the first row of a file may look like a good record, but is not one
        counts["header"] = F.min_by("good", "row")
    if not source.kind.columnar:  # a yes or no: with bytes in its buffer Spark would sort all rows before it counts
        counts["returns"] = F.min_by(F.col("line").rlike(r"\r(?!\z)"), "row")
    return rows.groupBy("path", "start").agg(*(count.alias(name) for name, count in counts.items()))


def _reasons(rows: DataFrame, source: Source, files: Mapping[str, str]) -> dict[str, str]:
    """Return why files of one line with carriage returns cannot be read, by file name.

    Args:
        rows: Rows of the source, with their paths.
        source: Source of a line format.
        files: Name of each file by its path.
    """
    heads = rows.where(F.col("path").isin(list(files))).select("path", F.substring("value", 1, HEAD_BYTES)).collect()
    # Carriage returns are also among the bytes of packed files, for which there is another remedy.
    return {files[path]: refusal(source, bytes(head), alone=True) or RETURNS for path, head in heads}


def _scan(lines: DataFrame, source: Source) -> list[Found]:
    scan = lines.select("path", "start", "value").mapInArrow(_scanner(source), _SCAN)
    found = []
    for path, start, count, head, *numbers in scan.collect():
        outside, entry, entered, rest = Reading(*numbers[:3]), Entry(numbers[3]), numbers[4], Reading(*numbers[5:])
        found.append(Found(path, start, count, Scanned(outside, entry, entered, rest), head))
    return found


def _heads(source: Source, found: Iterable[Found]) -> dict[str, bytes]:
    """Return the first line of each file, by the file's name within the source.

    Raises:
        InputError: A file is not in the source's format.
    """
    lines: Counter[str] = Counter()
    heads = {}
    for block in found:
        lines[block.path] += block.lines
        if block.head is not None:
            heads[block.path] = block.head
    reasons = {path: refusal(source, head, alone=lines[path] == 1) for path, head in heads.items()}
    refused = {file_name(path, _root(source)): reason for path, reason in reasons.items() if reason is not None}
    if refused:
        raise refuse(source, refused)
    return {file_name(path, _root(source)): head for path, head in heads.items()}


def _root(source: Source) -> str:
    return path_part(absolute(source.path))


def _number_all(found: Iterable[Found], source: Source) -> tuple[Block, ...]:
    root = _root(source)
    by_file = sorted(((file_name(block.path, root), block) for block in found), key=lambda item: (item[0], item[1][:2]))
    blocks: list[Block] = []
    for file, group in groupby(by_file, key=lambda item: item[0]):
        blocks += number_blocks(file, [block for _, block in group], source, len(blocks))
    return tuple(blocks)


def file_name(path: str, root: str) -> str:
    """Return a file's name within its source: its path within the source's folder, or the name of a single file.

    Args:
        path: Path as Spark gives it, percent-encoded.
        root: The source's path without scheme and host; a pattern if there is no such file or folder.
    """
    plain = path_part(unquote(path))
    base = root.rstrip("/")
    if not plain.startswith(f"{base}/") and plain != base:
        parts = base.split("/")
        base = "/".join(parts[: next((at for at, part in enumerate(parts) if has_signs(part)), len(parts))])
    return plain[len(base) + 1 :] if plain.startswith(base + "/") else os.path.basename(plain)


def number_blocks(file: str, group: Sequence[Found], source: Source, next_id: int = 0) -> list[Block]:
    """Number the blocks of one file: each gets the number of its first record and what becomes of its last one."""
    blocks: list[Block] = []
    first, inside = -1 if source.header else 0, False
    alone = sum(found.lines for found in group) == 1
    for offset, found in enumerate(group):
        block = Block(
            next_id + offset, found.path, found.start, file, first, 0, inside,
            lines=found.lines, alone=alone, first_row=found.first_row, plain=found.plain,
        )  # fmt: skip
        if inside and found.scanned.entry is Entry.STAYS:
            blocks.append(replace(block, fails=None))
            continue
        reading = found.scanned.rest if inside else found.scanned.outside
        fails = None
        if reading.open:
            following = (group[at].scanned for at in range(offset + 1, len(group)))
            fails = fate(following, reading.open, source.max_record_bytes)
        begun = reading.begun if fails is None else reading.given_up
        blocks.append(replace(block, begun=begun, fails=fails))
        first += begun
        inside = reading.open > 0 and fails is None
    return blocks


def _scanner(source: Source) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    quoting, quoted = Quoting.of(source), source.quoted

    def scan(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        scans: dict[tuple[Any, ...], tuple[QuoteScan, bytes]] = {}
        counts: Counter[tuple[Any, ...]] = Counter()
        for batch in batches:
            for key, values in runs(batch, ["path", "start"]):
                counts[key] += len(values)
                if key not in scans:
                    scans[key] = QuoteScan(quoting), values[0].as_py()
                state, _ = scans[key]
                if not quoted or not has_quote(values):
                    state.plain(len(values), size_of(values))
                else:
                    state.add(values.to_pylist())
        found = [
            (*key, counts[key], head if key[1] == 0 else None, *scanned.outside, *scanned[1:3], *scanned.rest)
            for key, (state, head) in scans.items()
            for scanned in (state.found(),)
        ]
        columns = zip(*found, strict=True) if found else ([] for _ in _SCAN)
        yield pa.record_batch([pa.array(list(column)) for column in columns], names=_SCAN.names)

    return scan


def has_quote(values: pa.Array) -> bool:
    """Whether any of the lines contains a quote."""
    return bool(pc.any(pc.match_substring(values.cast(pa.binary()), b'"')).as_py())


def size_of(values: pa.Array) -> int:
    """Number of bytes of the lines, including their line feeds."""
    return int(pc.sum(pc.binary_length(values)).as_py() or 0) + len(values)


def runs(batch: pa.RecordBatch, keys: Iterable[str]) -> Iterator[tuple[tuple[Any, ...], pa.Array]]:
    """Yield the batch's lines in order, grouped by block."""
    columns = [batch.column(batch.schema.get_field_index(key)) for key in keys]
    values = batch.column(batch.schema.get_field_index("value"))
    if len(values) == 0:
        return
    first, last = (tuple(column[at].as_py() for column in columns) for at in (0, len(values) - 1))
    if first == last:  # a task reads a block without interruption
        yield first, values
        return
    at = 0
    for key, group in groupby(zip(*(column.to_pylist() for column in columns), strict=True)):
        size = sum(1 for _ in group)
        yield key, values.slice(at, size)
        at += size
