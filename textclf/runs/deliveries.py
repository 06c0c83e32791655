"""What runs of ingest refused, from their records alone."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from textclf.runs.runs_table import newest_runs, runs_table
from textclf.storage.warehouse import Warehouse

INGEST = "ingest_corpus"
NEWEST_RUNS = 4000  # that are looked at; what a source had before counts as never done, and is done again
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


def refused_before(
    spark: SparkSession, warehouse: Warehouse, run_id: str, sources: Collection[str]
) -> dict[str, tuple[str, str]]:
    """By source, the run that had refused its newest delivery when the run of that identifier began, and why.

    Args:
        sources: Those of the pipeline file: one that it no longer has will never be delivered again.
    """
    table = runs_table(spark, warehouse)
    if table is None:
        return {}
    before = table.where((F.col("job") == INGEST) & (F.col("run_id") < run_id))
    found = still_refused((run.run_id, run.details) for run in newest_runs(before, NEWEST_RUNS))
    ours = sorted((source, each) for source, each in found.items() if source in sources)
    return {source: (run, str(figures.get("problem", ""))) for source, (run, figures) in ours}
