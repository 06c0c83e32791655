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
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from textclf.storage.commit_retry import lost_a_race
from textclf.storage.delta_log import landed, log_of, none, sequence
from textclf.storage.leases.fence import CLOSED, OPEN, Fence, closing, folder_of, is_closed
from textclf.storage.plain_files import write_new
from textclf.storage.schema_changes import has_constraints
from textclf.storage.schemas import TableSpec
from textclf.storage.warehouse import Location

_PLAIN = {"delta.columnMapping.mode": "none", "delta.enableRowTracking": "false"}
"""Properties of tables whose files have plain column names and no row tracking."""


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
    jvm: Any = spark._jvm
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
    data, name = _parquet(spec, rows), f"part-00000-{uuid4()}-c000.snappy.parquet"
    write_new(spark, f"{path}/{name}", data)
    action = {"path": name, "partitionValues": {}, "size": len(data), "modificationTime": int(time.time() * 1000)}
    statistics = json.dumps({"numRecords": len(rows)})
    entry = json.dumps({"add": action | {"dataChange": True, "stats": statistics}})
    added = jvm.org.apache.spark.sql.delta.actions.Action.fromJson(entry)
    operation = jvm.org.apache.spark.sql.delta.DeltaOperations.Write
    append = jvm.org.apache.spark.sql.SaveMode.Append
    actions = [added, *([] if closed_to is None else closing(spark, [closed_to]))]
    try:
        transaction.commit(sequence(spark, actions), operation(append, *[none(spark)] * 8))
    except Exception as error:
        if lost_a_race(error) or not landed(spark, path, transaction.readVersion(), name):
            raise
    return True


def _takes_plain_files(jvm: Any, metadata: Any, spec: TableSpec) -> bool:
    """Whether a table has exactly the columns of ``spec``, no partitions, and no further requirements of its files."""
    if spec.partition_by or json.loads(metadata.schemaString())["fields"] != json.loads(spec.schema.json())["fields"]:
        return False
    properties = jvm.scala.jdk.javaapi.CollectionConverters.asJava(metadata.configuration())
    return all(properties.get(key) in (None, value) for key, value in _PLAIN.items())


def _parquet(spec: TableSpec, rows: Sequence[tuple[object, ...]]) -> bytes:
    schema = to_arrow_schema(spec.schema, timezone="UTC")
    columns = [
        pa.array([list(value.items()) if isinstance(value, dict) else value for value in values], field.type)
        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), sink, compression="snappy")
    return sink.getvalue()
