"""Create a Delta table at a path by a transaction of its own.

Delta's builder writes the path into the text of an identifier and parses it, so a backtick ends the identifier and
``${...}`` is expanded. A transaction takes the path as it is, and needs no Spark job.
"""

import json
import time
from typing import Any
from uuid import uuid4

from pyspark.sql import SparkSession

from textclf.common.java_classes import JavaClasses
from textclf.errors import InputError
from textclf.storage.delta_log import hadoop_path, log_of, none, sequence, transaction_of
from textclf.storage.schemas import TableSpec

_SHOWN = 3  # names of files in a message


def create(spark: SparkSession, path: str, spec: TableSpec) -> None:
    """Create an empty table unless there is one already. A conflict means that another driver has created it.

    If a killed driver has begun Delta's log in the folder without a commit, the folder becomes the table.

    Raises:
        InputError: The folder holds files that belong to no Delta table.
    """
    transaction = transaction_of(spark, path)
    if transaction.readVersion() >= 0:
        return
    jvm = JavaClasses(spark._jvm)
    metadata = as_new(spark, transaction, path, spec)
    operation = jvm.org.apache.spark.sql.delta.DeltaOperations.CreateTable(metadata, False, False, none(spark))
    transaction.commit(sequence(spark, []), operation)


def begin(spark: SparkSession, path: str, spec: TableSpec) -> None:
    """Begin Delta's log in a folder, so that files can be stored there before the commit that creates the table.

    Raises:
        InputError: The folder holds files that belong to no Delta table.
    """
    _check_empty(spark, path, spec)
    log_of(spark, path).createLogDirectoriesIfNotExists()


def as_new(spark: SparkSession, transaction: Any, path: str, spec: TableSpec, *, begun: bool = False) -> Any:
    """Let a transaction that has found no table create it; return Delta's metadata.

    Args:
        spark: An open session.
        transaction: The transaction.
        path: Path or URL of the table.
        spec: Specification of the table.
        begun: Whether ``begin`` was called before files were stored there.

    Raises:
        InputError: The folder holds files that belong to no Delta table.
    """
    if not begun:
        begin(spark, path, spec)
    jvm = JavaClasses(spark._jvm)
    metadata = jvm.org.apache.spark.sql.delta.actions.Action.fromJson(
        json.dumps(
            {
                "metaData": {
                    "id": str(uuid4()),
                    "format": {"provider": "parquet", "options": {}},
                    "schemaString": spec.schema.json(),
                    "partitionColumns": list(spec.partition_by),
                    "configuration": spec.properties,
                    "createdTime": int(time.time() * 1000),
                }
            }
        )
    )
    transaction.updateMetadataForNewTable(metadata)
    return metadata


def with_columns(spark: SparkSession, transaction: Any, spec: TableSpec) -> bool:
    """Let a transaction add the columns that its table lacks; rows from before have null there.

    Returns:
        Whether the table lacks any.
    """
    jvm = JavaClasses(spark._jvm)
    content = json.loads(transaction.metadata().json())
    schema = json.loads(content["metaData"]["schemaString"])
    there = {field["name"] for field in schema["fields"]}
    lacking = [field for field in json.loads(spec.schema.json())["fields"] if field["name"] not in there]
    if lacking:
        schema["fields"] += lacking
        content["metaData"]["schemaString"] = json.dumps(schema)
        made = jvm.org.apache.spark.sql.delta.actions.Action.fromJson(json.dumps(content))
        transaction.updateMetadata(made, False)
    return bool(lacking)


def _check_empty(spark: SparkSession, path: str, spec: TableSpec) -> None:
    system, folder = hadoop_path(spark, path)
    if not system.exists(folder):
        return
    names = sorted(each.getPath().getName() for each in system.listStatus(folder))
    foreign = [name for name in names if not name.startswith(("_", "."))]
    if foreign and "_delta_log" not in names:  # beside a log, they are leftovers of a killed run
        raise InputError(
            f"The table {spec.name} cannot be created in a folder that holds other files.",
            received=f"{path} with {', '.join(foreign[:_SHOWN])}" + (", ..." if len(foreign) > _SHOWN else ""),
            expected="a Delta table, an empty folder, or no folder",
            fix="move the files away, or choose another warehouse or --output",
        )
