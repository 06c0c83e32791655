"""Deliveries that ingest refused, read from run records."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from textclf.runs.runs_table import newest_runs, runs_table
from textclf.storage.warehouse import Warehouse

INGEST = "ingest_corpus"
NEWEST_RUNS = 4000  # number of newest runs that are read; work of older ones counts as not done, and is done again
_Run = TypeVar("_Run")


def still_refused(runs: Iterable[tuple[_Run, Mapping[str, Any]]]) -> dict[str, tuple[_Run, Mapping[str, Any]]]:
    """Return, by source, the run that refused its newest delivery, with the figures of that delivery.

    Sources whose newest delivery was published are left out.

    Args:
        runs: Runs of ingest with the details of their records, newest first.

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


def refused_before(
    spark: SparkSession, warehouse: Warehouse, run_id: str, sources: Collection[str]
) -> dict[str, tuple[str, str]]:
    """Return, by source, the run that had refused its newest delivery before a given run began, and why.

    Args:
        spark: An open session.
        warehouse: Tables.
        run_id: Identifier of the given run.
        sources: Sources of the pipeline file; a source that was removed from it will not be delivered again.
    """
    table = runs_table(spark, warehouse)
    if table is None:
        return {}
    before = table.where((F.col("job") == INGEST) & (F.col("run_id") < run_id))
    found = still_refused((run.run_id, run.details) for run in newest_runs(before, NEWEST_RUNS))
    ours = sorted((source, each) for source, each in found.items() if source in sources)
    return {source: (run, str(figures.get("problem", ""))) for source, (run, figures) in ours}
