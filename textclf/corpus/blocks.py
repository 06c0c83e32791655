"""Files as blocks of lines, and the number of each block's first record.

Spark reads a file in blocks, each by one task and each line by exactly one block. A first look counts the
records that begin in each block; sums over the blocks before it give every block the number of its first
record, so that record numbers are exact however the file is cut.
"""

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, BooleanType, LongType, StringType, StructField, StructType

from textclf.config import Source
from textclf.corpus.plain import plain_lines
from textclf.corpus.quotes import QuoteScan
from textclf.corpus.records import RAW_CHARACTERS
from textclf.errors import InputError
from textclf.tables.file_columns import file_of, read_lines
from textclf.tables.file_listing import Listing, has_signs, path_part
from textclf.tables.warehouse import absolute


class _Scanned(NamedTuple):
    """What the first look at a block found; see ``QuoteScan`` and ``Block``."""

    path: str
    start: int
    begun_outside: int
    begun_inside: int = 0
    ends_outside: bool = False
    ends_inside: bool = True
    first_line: bytes | None = None
    first_row: int = 0
    plain: int = 0


_SCAN = StructType(
    [
        StructField("path", StringType()),
        StructField("start", LongType()),
        StructField("begun_outside", LongType()),
        StructField("begun_inside", LongType()),
        StructField("ends_outside", BooleanType()),
        StructField("ends_inside", BooleanType()),
        StructField("first_line", BinaryType()),
    ]
)


@dataclass(frozen=True)
class Block:
    """A run of lines of one file.

    Attributes:
        file: Name of the file within its source.
        first: Number of the first record that begins here; -1 where that record is the header.
        begun: Number of records that begin here, a header among them.
        inside: Whether the block begins inside a quoted field.
        unclosed: Number of the file's last record if its quoted field never closes.
        first_row: Spark's number of the block's first row, where each row is a record.
        plain: Records that are good beyond doubt, where each row is a record.
    """

    id: int
    path: str
    start: int
    file: str
    first: int
    begun: int
    inside: bool = False
    unclosed: int | None = None
    first_row: int = 0
    plain: int = 0


@dataclass(frozen=True)
class BlockPlan:
    """All blocks of a source, and the columns that a header gave."""

    blocks: tuple[Block, ...]
    columns: tuple[str, ...] | None = None

    @property
    def records(self) -> int:
        """Number of records in all files, headers apart."""
        return sum(block.begun + min(block.first, 0) for block in self.blocks)

    @property
    def plain(self) -> int:
        """Number of records that are good beyond doubt."""
        return sum(block.plain for block in self.blocks)


def with_place(rows: DataFrame, **columns: Column) -> DataFrame:
    """Columns path, start (of the block) and row beside those given, which are computed once a row.

    ``row`` rises by one from record to record of a block: where files are cut the same way, as they are while
    nothing writes to them, it is the same in each query.
    """
    file = file_of(rows)
    return rows.select(
        file["file_path"].alias("path"),
        file["file_block_start"].alias("start"),
        F.monotonically_increasing_id().alias("row"),
        *(column.alias(name) for name, column in columns.items()),
    )


def raw_value(source: Source) -> Column:
    """The bytes of a line without the line feed.

    Of a line beyond the source's limit just the beginning is kept, one byte over the limit at least, so that it is
    still recognised and never fills a worker's memory.
    """
    raw = F.col("value").cast("binary")
    kept = max(source.max_record_bytes + 1, 4 * RAW_CHARACTERS)
    return F.when(F.octet_length("value") > kept, F.substring(raw, 1, kept)).otherwise(raw)


def plan_lines(spark: SparkSession, source: Source, listing: Listing) -> tuple[DataFrame, BlockPlan]:
    """A source's lines, with their place, value and, without quoting, ``plain_lines``; and their blocks.

    Raises:
        InputError: The header lacks the text or label column, or the files' headers differ.
    """
    lines = read_lines(spark, listing)
    value = raw_value(source)
    if source.quoted:
        rows = with_place(lines, value=value)
        found = _scan(rows, source)
        columns = _header(source, [scanned for scanned in found if scanned.start == 0]) if source.header else None
        return rows, BlockPlan(_number_all(found, source), columns)
    heads = _scan(with_place(lines, value=value).where("start = 0"), source) if source.header else []
    columns = _header(source, heads) if source.header else None
    rows = with_place(lines, value=value, **plain_lines(source, columns, F.col("value")))
    return rows, plan_rows(rows, source, columns)


def plan_rows(rows: DataFrame, source: Source, columns: tuple[str, ...] | None = None) -> BlockPlan:
    """Count the records of each block where each row is one, and number them; no look in Python."""
    counts = {"begun": F.count("*"), "first_row": F.min("row"), "plain": F.count_if("good")}
    if source.header:  # the first row of a file: nobody's record, however good
        counts["header"] = F.min_by("good", "row")
    counted = rows.groupBy("path", "start").agg(*(count.alias(name) for name, count in counts.items()))
    found = []
    for row in counted.collect():
        header = source.header and row["start"] == 0 and row["header"]
        plain = row["plain"] - int(header)
        found.append(_Scanned(row["path"], row["start"], row["begun"], first_row=row["first_row"], plain=plain))
    return BlockPlan(_number_all(found, source), columns)


def _scan(lines: DataFrame, source: Source) -> list[_Scanned]:
    scan = lines.select("path", "start", "value").mapInArrow(_scanner(source), _SCAN)
    return [_Scanned(*row) for row in scan.collect()]


def _number_all(found: Iterable[_Scanned], source: Source) -> tuple[Block, ...]:
    root = path_part(absolute(source.path))
    by_file = sorted((file_name(scanned.path, root), scanned) for scanned in found)
    blocks: list[Block] = []
    for _, group in groupby(by_file, key=lambda item: item[0]):
        blocks += _number(list(group), len(blocks), has_header=source.header)
    return tuple(blocks)


def file_name(path: str, root: str) -> str:
    """A file's name within its source: what follows the source's folder, or the plain name of a single file.

    Args:
        path: As Spark gives it, percent-encoded.
        root: The source's path without scheme and host; where there is no such file or folder, a pattern.
    """
    plain = path_part(unquote(path))
    base = root.rstrip("/")
    if not plain.startswith(f"{base}/") and plain != base:
        parts = base.split("/")
        base = "/".join(parts[: next((at for at, part in enumerate(parts) if has_signs(part)), len(parts))])
    return plain[len(base) + 1 :] if plain.startswith(base + "/") else os.path.basename(plain)


def _number(group: list[tuple[str, _Scanned]], next_id: int, *, has_header: bool) -> list[Block]:
    """The blocks of one file in order, each with the number of its first record."""
    blocks: list[Block] = []
    first, inside = -1 if has_header else 0, False
    for offset, (file, scanned) in enumerate(group):
        begun = scanned.begun_inside if inside else scanned.begun_outside
        blocks.append(
            Block(
                next_id + offset, scanned.path, scanned.start, file, first, begun, inside,
                first_row=scanned.first_row, plain=scanned.plain,
            )
        )  # fmt: skip
        first += begun
        inside = scanned.ends_inside if inside else scanned.ends_outside
    if inside:
        blocks = [replace(block, unclosed=first - 1) for block in blocks]
    return blocks


def _scanner(source: Source) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    separator = source.separator.encode(source.encoding)
    quoted = source.quoted

    def scan(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        scans: dict[tuple[str, int], tuple[QuoteScan, bytes]] = {}
        for batch in batches:
            for key, lines in runs(batch, ["path", "start"]):
                state, _ = scans.setdefault(key, (QuoteScan(), lines[0]))
                if quoted:
                    state.add(lines, separator)
                else:
                    state.begun = (state.begun[0] + len(lines), 0)
        found = [
            (path, start, *state.begun, *state.inside, head if start == 0 else None)
            for (path, start), (state, head) in scans.items()
        ]
        columns = zip(*found, strict=True) if found else ([] for _ in _SCAN)
        yield pa.record_batch([pa.array(list(column)) for column in columns], names=_SCAN.names)

    return scan


def runs(batch: pa.RecordBatch, keys: Iterable[str]) -> Iterator[tuple[tuple[Any, ...], list[bytes]]]:
    """The batch's lines, block by block, in order."""
    columns = [batch.column(batch.schema.get_field_index(key)).to_pylist() for key in keys]
    values = batch.column(batch.schema.get_field_index("value")).to_pylist()
    at = 0
    for key, group in groupby(zip(*columns, strict=True)):
        size = sum(1 for _ in group)
        yield key, values[at : at + size]
        at += size


def _header(source: Source, beginnings: list[_Scanned]) -> tuple[str, ...]:
    """The columns that every file's header names."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if source.quoted else csv.QUOTE_NONE
    headers = set()
    for scanned in beginnings:
        line = (scanned.first_line or b"").removesuffix(b"\r").decode(source.encoding, errors="replace")
        headers.add(tuple(next(csv.reader([line], delimiter=source.separator, quoting=quoting), [])))
    if len(headers) > 1:
        raise InputError(
            f"The files of source {source.name} have different headers.",
            received=" / ".join(", ".join(header) for header in sorted(headers)[:3]),
            expected="the same columns in the same order in every file",
            fix="give each layout a source of its own",
        )
    columns = headers.pop() if headers else ()
    if not {source.text, source.label} <= set(columns):
        raise InputError(
            f"The header of source {source.name} lacks a column.",
            received=", ".join(columns) or "no header",
            expected=f"the columns {source.text} and {source.label}",
            fix="name them in the pipeline file: text = ..., label = ...",
        )
    return columns
