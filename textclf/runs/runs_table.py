"""Read the table ``runs``."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from textclf.storage.queries.small_tables import in_the_driver, small_table
from textclf.storage.schemas import RUNS
from textclf.storage.warehouse import Warehouse

_PARSED = "gate", "details"


@dataclass(frozen=True)
class PastRun:
    """The part of an ended run's record that later runs need.

    Attributes:
        run_id: Identifier of the run.
        job: Name of the job.
        status: How the run ended.
        started_at: When the run started.
        ended_at: When the run ended.
        input: Path, URL or name of the input.
        input_version: Version of the input, if it is a Delta table.
        models: Digest of each model by ``name@version``.
        gate: Figures, checks and verdict; empty for jobs without a gate.
        details: Figures specific to the job.
    """

    run_id: str
    job: str
    status: str
    started_at: datetime
    ended_at: datetime
    input: str | None = None
    input_version: int | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Any) -> "PastRun":
        """Return the run of a row of ``runs``, or of what ``RunRecord.row`` returns."""
        values = parsed({name: row[name] for name in _COLUMNS})
        return cls(**values | {"models": values["models"] or {}})


_COLUMNS = tuple(PastRun.__dataclass_fields__)


def runs_table(spark: SparkSession, warehouse: Warehouse) -> DataFrame | None:
    """Return the table ``runs``; None before the first run has ended.

    A small table is read here, in the driver: filters and columns of it take no Spark job.
    """
    place = warehouse.location(RUNS.name)
    snapshot = place.snapshot(spark)
    if snapshot is None:
        return None
    rows = small_table(spark, place, snapshot, RUNS.schema)
    return place.read(spark) if rows is None else spark.createDataFrame(rows, RUNS.schema)


def newest_runs(table: DataFrame, most: int) -> list[PastRun]:
    """Return the runs that ended last, newest first.

    Args:
        table: Rows of ``runs``.
        most: Largest number of runs to read.
    """
    return [PastRun.of(row) for row in last_rows(table.select(*_COLUMNS), "ended_at", most)]


def last_rows(rows: DataFrame, column: str, most: int) -> list[Row]:
    """Return the rows with the largest values of a column, the largest first, and those without one last.

    Args:
        rows: Rows made of those of ``runs_table``.
        column: Name of the column.
        most: Largest number of rows to return.
    """
    if in_the_driver(rows):  # a sort by Spark would be a job
        found = sorted(rows.collect(), key=lambda row: (row[column] is not None, row[column]), reverse=True)
        return found[:most]
    return rows.orderBy(F.desc(column)).limit(most).collect()


def known_runs(
    spark: SparkSession, warehouse: Warehouse, run_ids: Collection[str], status: Collection[str] | None = None
) -> set[str]:
    """Return the given runs that have a record.

    Args:
        spark: An open session.
        warehouse: Tables.
        run_ids: Identifiers of runs.
        status: Statuses to accept; by default any.
    """
    table = runs_table(spark, warehouse) if run_ids else None
    if table is None:
        return set()
    wanted = F.col("run_id").isin([*run_ids])
    if status is not None:
        wanted &= F.col("status").isin([*status])
    return {row["run_id"] for row in table.where(wanted).select("run_id").collect()}


def parsed(record: dict[str, Any]) -> dict[str, Any]:
    """Return a row of ``runs`` with its JSON columns parsed; a null column becomes an empty dictionary."""
    return record | {name: json.loads(record[name]) if record[name] else {} for name in _PARSED}
