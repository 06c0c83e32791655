"""Ingest sources and read the resulting tables."""

from pathlib import Path

from pyspark.sql import SparkSession

from textclf.config import Ingest, Pipeline
from textclf.corpus.ingest import Counts, ingest_corpus
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse


def entry(name: str, path: Path | str, rest: str) -> str:
    """Return a source as an entry of a pipeline file."""
    return f'[[sources]]\nname = "{name}"\npath = "{path}"\n{rest}\n'


def ingest(spark: SparkSession, pipeline: Pipeline, run_id: str = "run") -> dict[str, Counts]:
    """Ingest all sources with any share of rejected records."""
    told: list[str] = []
    any_share = Ingest(max_rejects=1)  # test_refused_deliveries.py tests the limit
    counts = ingest_corpus(Workspace(spark, pipeline), run_id, pipeline.sources, told.append, rule=any_share)
    assert sorted(told) == sorted(counts)  # each source once
    return counts


def table(spark: SparkSession, pipeline: Pipeline, name: str, *columns: str) -> list[tuple[object, ...]]:
    """Return the rows of a table, sorted."""
    rows = Warehouse.of(pipeline).location(name).read(spark).select(*columns).collect()
    return sorted(tuple(row) for row in rows)
