"""Read the rows of a small Delta table in the driver, without a Spark job.

Delta's snapshot says which files a table has, and Arrow reads them: from a local disk directly, from other storage by
Spark's file systems. Tables with many files or rows, and tables that ask more of their readers than plain Parquet, are
left to Spark.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StringType, StructType

from textclf.common.file_systems import is_url, open_sized
from textclf.storage.conditions import EVERYTHING, Condition
from textclf.storage.delta_log import files_meeting, known_files, listed
from textclf.storage.plain_files import for_each
from textclf.storage.warehouse import Location

MOST_BYTES = 8 << 20
"""Largest size of all files together that the driver reads; Spark reads more."""
MOST_ROWS = 250_000
"""Largest number of rows of all files together: files of rows that repeat are small, but their rows are not."""
MOST_HELD = 64 << 20
"""Largest number of bytes of all rows in memory: a long text that repeats takes few bytes of a file."""
_BATCH_ROWS = 1024  # read at once
_PLAIN_READER = 1
"""Delta's reader version of tables whose rows are those of their files, under their own names."""


@dataclass(frozen=True)
class StoredPart:
    """A file of a table, as Delta's log has it.

    Attributes:
        path: Path of the file below the folder of the table.
        values: Values of the partition columns.
        size: Number of bytes.
        rows: Number of rows; None if the log does not have it.
    """

    path: str
    values: dict[str, str | None]
    size: int
    rows: int | None


def stored_parts(spark: SparkSession, snapshot: Any, condition: Condition = EVERYTHING) -> list[StoredPart] | None:
    """Return the files of a table that meet a condition; None if finding them takes a Spark job.

    Also None if rows of the files are deleted by marks, or files are elsewhere.

    Args:
        spark: An open session.
        snapshot: Delta's snapshot of the table.
        condition: Condition on partition columns.
    """
    known = known_files(snapshot)
    if known is None:
        return None
    chosen = known if condition is EVERYTHING else files_meeting(spark, snapshot, known, condition.expression(spark))
    entries = [json.loads(each.json())["add"] for each in listed(chosen)]
    if any(entry.get("deletionVector") or is_url(unquote(entry["path"])) for entry in entries):
        return None
    return [
        StoredPart(unquote(entry["path"]), entry["partitionValues"], entry["size"], _rows(entry)) for entry in entries
    ]


def _any_number(parts: Sequence[StoredPart]) -> float:
    """Return the number of rows, which is infinite if the log does not have it."""
    return sum(math.inf if part.rows is None else part.rows for part in parts)


def _rows(entry: dict[str, Any]) -> int | None:
    rows = json.loads(entry.get("stats") or "{}").get("numRecords")
    return None if rows is None else int(rows)


def small_table(
    spark: SparkSession,
    place: Location,
    snapshot: Any,
    schema: StructType,
    condition: Condition = EVERYTHING,
    *,
    filters: Any = None,
    most_bytes: int = MOST_BYTES,
) -> pa.Table | None:
    """Read a small table at a path.

    Args:
        spark: An open session.
        place: Location of the table.
        snapshot: Delta's snapshot of it.
        schema: Columns to read. Those that a file lacks are null; partition columns have to be strings.
        condition: Condition on partition columns.
        filters: Arrow's expression for the rows; None for all of them.
        most_bytes: Largest size of all files that meet the condition.

    Returns:
        The rows, with times in UTC; None if Spark has to read the table.
    """
    parts = stored_parts(spark, snapshot, condition)
    return None if parts is None else read_parts(place, snapshot, schema, parts, filters=filters, most_bytes=most_bytes)


def read_parts(
    place: Location,
    snapshot: Any,
    schema: StructType,
    parts: Sequence[StoredPart],
    *,
    filters: Any = None,
    most_bytes: int = MOST_BYTES,
) -> pa.Table | None:
    """Read some files of a table at a path; see ``small_table``.

    Args:
        place: Location of the table.
        snapshot: Delta's snapshot of it.
        schema: Columns to read.
        parts: Files of the snapshot.
        filters: Arrow's expression for the rows; None for all of them.
        most_bytes: Largest size of all the files.

    Returns:
        The rows; None if Spark has to read them.
    """
    if place.path is None or snapshot.protocol().minReaderVersion() > _PLAIN_READER:
        return None
    if sum(part.size for part in parts) > most_bytes or _any_number(parts) > MOST_ROWS:
        return None
    partitions = [name for name in listed(snapshot.metadata().partitionColumns()) if name in schema.names]
    if any(schema[name].dataType != StringType() for name in partitions):
        return None
    wanted = to_arrow_schema(schema, timezone="UTC")
    read = partial(_part, place.path, wanted=wanted, partitions=partitions, filters=filters)
    try:
        found = for_each(read, parts)
    except (OSError, pa.ArrowException):  # missing or damaged: Spark's error says which, and callers know it
        return None
    if any(rows is None for rows in found) or sum(rows.nbytes for rows in found) > MOST_HELD:
        return None
    return pa.concat_tables([wanted.empty_table(), *found])


def in_the_driver(rows: DataFrame) -> bool:
    """Whether rows are in the driver already, so that Spark filters them without a job."""
    return str(rows._jdf.queryExecution().optimizedPlan().getClass().getSimpleName()) == "LocalRelation"


def _part(
    folder: str, part: StoredPart, *, wanted: pa.Schema, partitions: Sequence[str], filters: Any
) -> pa.Table | None:
    """Read a file; returns None if its rows take too much memory."""
    batches, size = [], 0
    with open_sized(f"{folder}/{part.path}", part.size) as file:
        there = pq.ParquetFile(file)
        names = [name for name in wanted.names if name in there.schema_arrow.names and name not in partitions]
        schema = pa.schema([there.schema_arrow.field(name) for name in names])
        for batch in there.iter_batches(_BATCH_ROWS, columns=names):
            size += batch.nbytes
            if size > MOST_HELD:
                return None
            batches.append(batch.select(names))
    found = pa.Table.from_batches(batches, schema)
    if filters is not None:
        found = found.filter(filters)
    columns = []
    for field in wanted:
        if field.name in partitions:
            columns.append(pa.repeat(pa.scalar(part.values.get(field.name), field.type), len(found)))
        elif field.name in names:
            columns.append(found[field.name].cast(field.type))
        else:
            columns.append(pa.nulls(len(found), field.type))
    return pa.Table.from_arrays(columns, schema=wanted)
