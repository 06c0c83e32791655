"""A scoring pass and what it leaves, for tests."""

from datetime import date
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from tests.factories.corpora import source_toml
from textclf.config import Pipeline
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.score import ScoreOptions, score_table
from textclf.storage import Warehouse

DAY = date(2026, 1, 31)
ONE_MODEL = source_toml("yelp") + '[score]\nmodel = "yelp"\n'
ROUTED = source_toml("yelp") + '[score]\nsource = "source"\ndate = "ds"\n'


def score(spark: SparkSession, pipeline: Pipeline, path: str, **options: Any) -> RunRecord:
    run = RunRecord("score_table")
    score_table(Workspace(spark, pipeline), run, ScoreOptions(input=path, **options))
    return run


def publish(spark: SparkSession, pipeline: Pipeline, path: str, **options: Any) -> RunRecord:
    """``score``, and the record kept as the job keeps it: later runs look at what earlier ones say there."""
    run = score(spark, pipeline, path, **options)
    run.end("succeeded")
    run.append(spark, Warehouse.of(pipeline))
    return run


def table(spark: SparkSession, pipeline: Pipeline, name: str = "results") -> DataFrame:
    return Warehouse.of(pipeline).location(name).read(spark)


def values(found: DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, found.select(*columns).collect()), key=repr)


def versions(spark: SparkSession, pipeline: Pipeline) -> list[int]:
    return [Warehouse.of(pipeline).location(name).version(spark) for name in ("results", "results_rejects")]
