"""What runs of ingest refused, from their records alone."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from textclf.tables.schemas import RUNS
from textclf.tables.warehouse import Warehouse

INGEST = "ingest_corpus"
_RUNS = 400  # newest runs that are looked at: a year of nights
_Run = TypeVar("_Run")


def still_refused(runs: Iterable[tuple[_Run, Mapping[str, Any]]]) -> dict[str, tuple[_Run, Mapping[str, Any]]]:
    """By source, the run that refused its newest delivery, and what its record keeps of that; none where it passed.

    Args:
        runs: Runs of ingest with the details of their records, the newest first.

    Example:
        >>> still_refused([("r2", {"sources": {"a": {}}, "refused": {"b": {}}}), ("r1", {"refused": {"a": {}}})])
        {'b': ('r2', {})}
    """
    published: set[str] = set()
    found: dict[str, tuple[_Run, Mapping[str, Any]]] = {}
    for run, details in runs:
        published |= set(details.get("sources", {}))
        for source, figures in details.get("refused", {}).items():
            if source not in published:
                found.setdefault(source, (run, figures))
    return found


def refused_before(spark: SparkSession, warehouse: Warehouse, run_id: str) -> dict[str, tuple[str, str]]:
    """By source, the run that had refused its newest delivery when the run of that identifier began, and why."""
    place = warehouse.location(RUNS.name)
    if not place.exists(spark):
        return {}
    table = place.read(spark).where((F.col("job") == INGEST) & (F.col("run_id") < run_id))
    rows = table.orderBy(F.desc("ended_at")).select("run_id", "details").limit(_RUNS).collect()
    found = still_refused((row["run_id"], json.loads(row["details"] or "{}")) for row in rows)
    return {source: (run, str(figures.get("problem", ""))) for source, (run, figures) in sorted(found.items())}
