"""Provenance of a row, read from the tables."""

import re
from collections.abc import Iterator
from typing import Any

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import AtomicType

from textclf.errors import InputError, UsageError
from textclf.runs.runs_table import parsed, runs_table
from textclf.storage.schemas import RUNS
from textclf.storage.warehouse import Location, Warehouse

_RUN_ID = re.compile(r"^\d{8}T\d{6}-[0-9a-f]{8}$")
_FOUND = 100  # largest number of rows explained for one id, which may occur on any number of days


def run_record(spark: SparkSession, warehouse: Warehouse, run_id: str) -> dict[str, Any]:
    """Return the record of a run with its JSON columns parsed.

    Raises:
        UsageError: The identifier is not that of a run.
        InputError: The warehouse has no run with this identifier.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError("This is not a run id.", received=run_id, expected="an id such as 20260131T235959-1a2b3c4d")
    found = _records(spark, warehouse, F.col("run_id") == run_id)
    if not found:
        raise InputError(
            "There is no such run.",
            received=run_id,
            expected=f"a run_id in {warehouse.location(RUNS.name)}",
            fix="look up the run in the table runs, or in the last line that the job printed",
        )
    return found[0]


def show_run(spark: SparkSession, warehouse: Warehouse, run_id: str) -> dict[str, Any]:
    """Return the record of a run and the runs that published what it had only staged; raises as ``run_record``."""
    return _with_publishers(spark, warehouse, run_record(spark, warehouse, run_id))


def _with_publishers(spark: SparkSession, warehouse: Warehouse, record: dict[str, Any]) -> dict[str, Any]:
    by = _records(spark, warehouse, F.get_json_object("details", "$.published_run") == record["run_id"])
    if by:
        record["published_by"] = [
            {key: each[key] for key in ("run_id", "status", "ended_at")} | {"reason": each["details"]["reason"]}
            for each in by
        ]
    return record


def explain_row(
    spark: SparkSession, warehouse: Warehouse, row_id: str, *, output: Location | None = None, source: str | None = None
) -> list[dict[str, Any]]:
    """Explain the published and rejected rows with an id, newest day first.

    Each row comes with its columns, the digest of the corpus that its model was trained on, and the run that wrote it:
    its input with the version, and the version of the code.

    Args:
        spark: An open session.
        warehouse: Tables.
        row_id: Id as text, whatever the type of the column.
        output: Table of results; by default that of the warehouse.
        source: Only rows of this source; by default of all sources.

    Raises:
        InputError: No row has this id, or the ids of this table cannot be written as text.
    """
    rows: list[dict[str, Any]] = []
    for place in (output or warehouse.location("results"), warehouse.location("results_rejects")):
        rows += [_plain(row) | {"table": str(place)} for row in _rows_of(spark, place, row_id, source)]
    if not rows:
        raise InputError(
            "No published row has this id.",
            received=f"{row_id}{f' of source {source}' if source else ''}",
            expected=f"an id in {output or warehouse.location('results')} or its rejects",
        )
    records = {run_id: _made_by(spark, warehouse, run_id) for run_id in {row["run_id"] for row in rows}}
    for row in rows:
        row["run"] = records[row["run_id"]]
        model = f"{row.get('model')}@{row.get('model_version')}"
        row["corpus_digest"] = row["run"].get("corpora", {}).get(model)
    return sorted(rows, key=lambda row: row["ds"] or "", reverse=True)


def _rows_of(spark: SparkSession, place: Location, row_id: str, source: str | None) -> list[Row]:
    if not place.exists(spark):
        return []
    table = place.read(spark)
    kind = table.schema["id"].dataType
    if not isinstance(kind, AtomicType):
        raise InputError(
            "The ids of this table are not single values.", received=kind.simpleString(), expected="such as bigint"
        )
    # Compared in the column's own type, for which files have statistics; an id of another type equals no row.
    wanted = F.lit(row_id).try_cast(kind)
    found = table.where(F.col("id") == wanted)
    if source is not None:
        found = found.where(F.col("source") == source)
    return found.limit(_FOUND).collect()


def _made_by(spark: SparkSession, warehouse: Warehouse, run_id: str) -> dict[str, Any]:
    """Summarize the run of a row; ``unrecorded`` for a run that was killed between publishing and its record."""
    found = _records(spark, warehouse, F.col("run_id") == run_id)
    if not found:
        return {"run_id": run_id, "status": "unrecorded"}
    record = _with_publishers(spark, warehouse, found[0])
    details = record.get("details", {})
    kept = ("run_id", "status", "started_at", "ended_at", "input", "input_version", "models", "config_digest")
    short = {key: record[key] for key in (*kept, "published_by") if record.get(key) is not None}
    return short | {key: details[key] for key in ("code_version", "corpora", "registered_model") if key in details}


def _records(spark: SparkSession, warehouse: Warehouse, condition: Any) -> list[dict[str, Any]]:
    table = runs_table(spark, warehouse)
    found = [] if table is None else table.where(condition).orderBy("ended_at").limit(_FOUND).collect()
    return [parsed(_plain(row)) for row in found]


def _plain(row: Row) -> dict[str, Any]:
    """Return a row's values in types that JSON has."""
    return dict(_values(row))


def _values(row: Row) -> Iterator[tuple[str, Any]]:
    for name, value in row.asDict().items():
        yield name, value if isinstance(value, str | int | float | dict | list | None) else str(value)
