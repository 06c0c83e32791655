"""Rows of ``runs`` as they are read: which runs there were, and what their records say."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from textclf.storage.schemas import RUNS
from textclf.storage.warehouse import Warehouse

_PARSED = "gate", "details"


@dataclass(frozen=True)
class PastRun:
    """A run that has ended, as far as later runs ask.

    Attributes:
        models: Digest of each model by ``name@version``.
        gate: Figures, checks and verdict; empty where the job has no gate.
        details: Figures of the job's own.
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
        """The run of a row of ``runs``, or of what ``RunRecord.row`` gives."""
        values = parsed({name: row[name] for name in _COLUMNS})
        return cls(**values | {"models": values["models"] or {}})


_COLUMNS = tuple(PastRun.__dataclass_fields__)


def runs_table(spark: SparkSession, warehouse: Warehouse) -> DataFrame | None:
    """The table ``runs``, None before the first run has ended."""
    place = warehouse.location(RUNS.name)
    return place.read(spark) if place.exists(spark) else None


def newest_runs(table: DataFrame, most: int) -> list[PastRun]:
    """The runs that ended last, the newest first.

    Args:
        table: Rows of ``runs``.
        most: How many are read.
    """
    rows = table.orderBy(F.desc("ended_at")).select(*_COLUMNS).limit(most).collect()
    return [PastRun.of(row) for row in rows]


def known_runs(
    spark: SparkSession, warehouse: Warehouse, run_ids: Collection[str], status: Collection[str] | None = None
) -> set[str]:
    """Those of the runs that have a record.

    Args:
        status: Only with one of these; by default any will do.
    """
    table = runs_table(spark, warehouse) if run_ids else None
    if table is None:
        return set()
    wanted = F.col("run_id").isin([*run_ids])
    if status is not None:
        wanted &= F.col("status").isin([*status])
    return {row["run_id"] for row in table.where(wanted).select("run_id").collect()}


def parsed(record: dict[str, Any]) -> dict[str, Any]:
    """A row of ``runs`` with its columns of JSON parsed; an empty one where the column is null."""
    return record | {name: json.loads(record[name]) if record[name] else {} for name in _PARSED}
