"""The queries of the first look: how many records begin in each block, for all sources in one Spark job."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, LongType, StringType, StructField, StructType

from textclf.config import Source
from textclf.corpus.lines.fast_path import plain_lines
from textclf.corpus.lines.headers import header_columns
from textclf.corpus.lines.line_blocks import (
    BlockPlan,
    Found,
    file_name,
    has_quote,
    number_all,
    root_of,
    runs,
    size_of,
)
from textclf.corpus.lines.quoted_records import Entry, QuoteScan, Quoting, Reading, Scanned
from textclf.corpus.lines.records import kept_bytes
from textclf.corpus.lines.signatures import HEAD_BYTES, RETURNS, refusal, refuse
from textclf.errors import InputError
from textclf.storage.files.columns import file_of
from textclf.storage.queries.adaptive_execution import in_one_job

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


def with_place(rows: DataFrame, **columns: Column) -> DataFrame:
    """Select the columns path, start (of the block), block, row, and the given columns, computed once per row.

    ``block`` is a number that names the block: a hash of path and start. ``row`` rises by one from record to record of
    a block. Both are the same in each query as long as files are cut the same way, which they are while nothing writes
    to them.
    """
    file = file_of(rows)
    path, start = file["file_path"], file["file_block_start"]
    return rows.select(
        path.alias("path"),
        start.alias("start"),
        F.xxhash64(path, start).alias("block"),
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


def line_rows(source: Source, lines: DataFrame, columns: Sequence[str] | None = None) -> DataFrame:
    """Return the lines with place and value; without quoting also with the columns of ``plain_lines``.

    Args:
        source: Source of a line format.
        lines: Its lines, as ``read_lines`` gives them.
        columns: Names of the fields, if the files' headers give them.
    """
    if source.quoted:
        return with_place(lines, value=raw_value(source))
    line = F.col("value")
    return with_place(lines, value=raw_value(source), line=line, **plain_lines(source, columns, line))


def head_query(source: Source, lines: DataFrame) -> DataFrame:
    """Return the query for the first line of each file."""
    return _scan(source, with_place(lines, value=raw_value(source)).where("start = 0"))


def count_query(source: Source, rows: DataFrame) -> DataFrame:
    """Return the query that counts the records of each block: one row a block.

    Args:
        source: Source of the rows.
        rows: Rows as ``line_rows`` gives them, or one record each with their place and a column ``good``.
    """
    if source.quoted:
        return _scan(source, rows)
    # Without Python, in one pass without a sort.
    counts = {"begun": F.count("*"), "first_row": F.min("row"), "plain": F.count_if("good")}
    if source.header:  # the first row of a file may look like a good record, but is not one
        counts["header"] = F.min_by("good", "row")
    if not source.kind.columnar:  # a yes or no: with bytes in its buffer Spark would sort all rows before it counts
        counts["returns"] = F.min_by(F.col("line").rlike(r"\r(?!\z)"), "row")
    return rows.groupBy("path", "start").agg(*(count.alias(name) for name, count in counts.items()))


def answered(queries: Sequence[DataFrame]) -> list[list[Row]]:
    """Run queries with few rows in one Spark job, and return the rows of each, which name their block."""
    numbered = (query.select(F.lit(number).alias("query"), "*") for number, query in enumerate(queries))
    together = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), numbered)
    found: list[list[Row]] = [[] for _ in queries]
    for row in in_one_job(together.withColumn("block", F.xxhash64("path", "start")), partitions=1).collect():
        found[row["query"]].append(row)
    return found


def header_of(source: Source, answer: Iterable[Row]) -> tuple[str, ...]:
    """Return the columns that the headers of a source's files name, from the answer to ``head_query``.

    Raises:
        InputError: A file holds no lines of the source's format, a header lacks the text or label column, or the
            files' headers differ.
    """
    return header_columns(source, _heads(source, map(_scanned, answer)))


def plan_of(
    source: Source, answer: Iterable[Row], rows: DataFrame, columns: tuple[str, ...] | None = None
) -> BlockPlan:
    """Plan the blocks of a source from the answer to ``count_query``.

    Args:
        source: The source.
        answer: Rows of the query.
        rows: Rows that the query counts, from which the reason is read why a file cannot be used.
        columns: Result of ``header_of``; of a quoted source the answer has the headers.

    Raises:
        InputError: A file holds no lines of the source's format, or its header is refused.
    """
    if source.quoted:
        found = [_scanned(row) for row in answer]
        heads = _heads(source, found)
        return _planned(source, found, header_columns(source, heads) if source.header else None)
    found, returns = [], set()
    for row in answer:
        header = source.header and row["start"] == 0 and row["header"]
        plain, scanned = row["plain"] - int(header), Scanned(Reading(row["begun"]))
        found.append(
            Found(row["path"], row["start"], row["begun"], scanned, None, row["first_row"], plain, row["block"])
        )
        if not source.kind.columnar and row["returns"] and row["begun"] == 1:
            returns.add(row["path"])
    plan = _planned(source, found, columns)
    if alone := {block.path: block.file for block in plan.blocks if block.alone and block.path in returns}:
        raise refuse(source, _reasons(rows, source, alone))
    return plan


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


def _planned(source: Source, found: Sequence[Found], columns: tuple[str, ...] | None) -> BlockPlan:
    keys = Counter(block.key for block in found)
    if len(keys) < len(found):
        same = [block.path for block in found if keys[block.key] > 1]
        raise InputError(
            f"Source {source.name} has parts of files that cannot be told apart.",
            received=f"two parts with one hash, of {' and '.join(sorted(set(same))[:2])}",
            expected="paths that differ in their hashes",
            fix="rename one of the files",
        )
    return BlockPlan(number_all(found, source), columns)


def _scan(source: Source, rows: DataFrame) -> DataFrame:
    return rows.select("path", "start", "value").mapInArrow(_scanner(source), _SCAN)


def _scanned(row: Row) -> Found:
    outside = Reading(*(row[name] for name in Reading._fields))
    rest = Reading(*(row[f"rest_{name}"] for name in Reading._fields))
    scanned = Scanned(outside, Entry(row["entry"]), row["entered"], rest)
    return Found(row["path"], row["start"], row["lines"], scanned, row["head"], key=row["block"])


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
            heads[block.path] = bytes(block.head)
    reasons = {path: refusal(source, head, alone=lines[path] == 1) for path, head in heads.items()}
    refused = {file_name(path, root_of(source)): reason for path, reason in reasons.items() if reason is not None}
    if refused:
        raise refuse(source, refused)
    return {file_name(path, root_of(source)): head for path, head in heads.items()}


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
