"""Append a few rows from the driver to a Delta table without a Spark job.

A job for a handful of rows has to wait for a free slot behind the work that it reports on. It also takes about a
second, where a commit takes a twentieth of a second. So the driver writes the Parquet file, and Delta's own transaction
commits it, with all of Delta's checks and on every storage that Delta is safe on.
"""

import io
import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from textclf.common.java_classes import JavaClasses
from textclf.common.logs import say
from textclf.common.secrets import first_line
from textclf.spark import cancellation
from textclf.storage.commit_retry import CONFLICTS, lost_a_race
from textclf.storage.delta_log import (
    known_files,
    landed,
    listed,
    log_of,
    manual_update,
    none,
    sequence,
    with_settings,
)
from textclf.storage.leases.fence import CLOSED, OPEN, Fence, closing, folder_of, is_closed
from textclf.storage.plain_files import write_new
from textclf.storage.queries.small_tables import read_parts, stored_parts
from textclf.storage.schema_changes import has_constraints
from textclf.storage.schemas import TableSpec
from textclf.storage.warehouse import Location

_PLAIN = {"delta.columnMapping.mode": "none", "delta.enableRowTracking": "false"}
"""Properties of tables whose files have plain column names and no row tracking."""
_COMMITS = 10
"""Commits after which appended files are merged. A reader on an object store asks twice for each file and commit."""
_LARGE = 16 * 2**20  # bytes of a file that stays as it is, so that a long table is not written again and again


def append_rows(
    spark: SparkSession,
    place: Location,
    spec: TableSpec,
    rows: Sequence[tuple[object, ...]],
    fence: Fence = OPEN,
    closed_to: str | None = None,
) -> bool:
    """Append rows to an existing table in one commit.

    Args:
        spark: An open session.
        place: Location of the table.
        spec: Specification of the table.
        rows: Rows with values in the order of the table's columns.
        fence: Fence of the run that appends. If the table needs Delta's own writer, the run can append only once.
        closed_to: Identifier of a run that the same commit closes the table to. If the table is closed to that run
            already, nothing is appended.

    Returns:
        Whether the rows were appended.

    Raises:
        LockError: The run of ``fence`` has lost a lock.
        InputError: The rows break a constraint of the table.
    """
    if not rows:
        return True
    jvm = JavaClasses(spark._jvm)
    path = folder_of(spark, place)
    transaction = log_of(spark, path).startTransaction()
    if closed_to is not None and is_closed(transaction, closed_to):
        return False
    fence.guard(transaction)
    if has_constraints(spark, transaction.metadata()) or not _takes_plain_files(jvm, transaction.metadata(), spec):
        options = fence.once if closed_to is None else {"txnAppId": closed_to, "txnVersion": str(CLOSED)}
        place.append(spark.createDataFrame(rows, spec.schema).coalesce(1), options)
        fence.check_written(spark, place)
        return True
    name, added = _stored(spark, path, _table(spec, rows), changes=True)
    operation = jvm.org.apache.spark.sql.delta.DeltaOperations.Write
    append = jvm.org.apache.spark.sql.SaveMode.Append
    actions = [added, *([] if closed_to is None else closing(spark, [closed_to]))]
    try:
        transaction.commit(sequence(spark, actions), operation(append, *[none(spark)] * 8))
    except Exception as error:
        if lost_a_race(error) or not landed(spark, path, transaction.readVersion(), name):
            raise
    return True


def merge_appended(spark: SparkSession, place: Location, spec: TableSpec) -> bool:
    """Merge the files of small appends, and write a checkpoint, after every tenth commit.

    So a reader opens a limited number of files and commits, however many appends there have been since the last upkeep.
    Call this when no other Spark job is waiting for a slot. An error is a warning, because the rows are there already.

    Args:
        spark: An open session, in which rows have just been appended to the table.
        place: Location of the table.
        spec: Specification of the table.

    Returns:
        Whether the files were merged.
    """
    try:
        if cancellation.asked() or place.log(spark).unsafeVolatileSnapshot().logSegment().deltas().size() < _COMMITS:
            return False
        if not _merged_here(spark, place, spec):
            with with_settings(spark, {"spark.databricks.delta.optimize.minFileSize": str(_LARGE)}):
                place.delta(spark).optimize().executeCompaction()
        place.log(spark).checkpoint()
    except CONFLICTS:
        return False  # another writer has merged them
    except (Py4JError, PySparkException) as error:
        say(f"{place}: small files could not be merged: {first_line(error)}", "warning")
        return False
    return True


def _merged_here(spark: SparkSession, place: Location, spec: TableSpec) -> bool:
    """Merge the small files without a Spark job if their rows are few; returns whether they are."""
    jvm = JavaClasses(spark._jvm)
    if place.path is None:
        return False
    transaction = log_of(spark, place.path).startTransaction()
    snapshot, known = transaction.snapshot(), known_files(transaction.snapshot())
    parts = None if known is None else stored_parts(spark, snapshot)
    if known is None or parts is None or not _takes_plain_files(jvm, transaction.metadata(), spec):
        return False
    small = {part.path: part for part in parts if part.size < _LARGE}
    rows = read_parts(place, snapshot, spec.schema, list(small.values()))
    if rows is None:
        return False
    if len(small) > 1:
        now = int(time.time() * 1000)
        removed = [each.removeWithTimestamp(now, False) for each in listed(known) if unquote(each.path()) in small]
        _, added = _stored(spark, place.path, rows, changes=False)  # left to VACUUM if the commit fails
        transaction.commit(sequence(spark, [*removed, added]), manual_update(spark))
    return True


def _stored(spark: SparkSession, path: str, rows: pa.Table, *, changes: bool) -> tuple[str, Any]:
    """Store rows as a file of the table at a path; return the file's name, and Delta's action that adds it.

    Args:
        spark: An open session.
        path: Path or URL of the table.
        rows: Rows with the table's columns.
        changes: Whether the rows are new to the table.
    """
    jvm = JavaClasses(spark._jvm)
    sink, name = io.BytesIO(), f"part-00000-{uuid4()}-c000.snappy.parquet"
    pq.write_table(rows, sink, compression="snappy")
    data = sink.getvalue()
    write_new(spark, f"{path}/{name}", data)
    entry = {"path": name, "partitionValues": {}, "size": len(data), "modificationTime": int(time.time() * 1000)}
    entry |= {"dataChange": changes, "stats": json.dumps({"numRecords": len(rows)})}
    return name, jvm.org.apache.spark.sql.delta.actions.Action.fromJson(json.dumps({"add": entry}))


def _takes_plain_files(jvm: Any, metadata: Any, spec: TableSpec) -> bool:
    """Whether a table has exactly the columns of ``spec``, no partitions, and no further requirements of its files."""
    if spec.partition_by or json.loads(metadata.schemaString())["fields"] != json.loads(spec.schema.json())["fields"]:
        return False
    properties = jvm.scala.jdk.javaapi.CollectionConverters.asJava(metadata.configuration())
    return all(properties.get(key) in (None, value) for key, value in _PLAIN.items())


def _table(spec: TableSpec, rows: Sequence[tuple[object, ...]]) -> pa.Table:
    schema = to_arrow_schema(spec.schema, timezone="UTC")
    columns = [
        pa.array([list(value.items()) if isinstance(value, dict) else value for value in values], field.type)
        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)
