"""Models to score with and tables to score."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.factories.artifacts import sample
from textclf.artifact import ModelStore


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with champions for yelp (two labels) and trec (six)."""
    made = ModelStore(str(tmp_path / "warehouse/models"))
    for artifact in (sample("yelp"), sample("trec", labels=tuple("abcdef"))):
        made.promote(artifact.manifest.name, made.save(artifact).manifest.version)
    return made


@pytest.fixture
def write(spark: SparkSession, tmp_path: Path) -> Callable[..., str]:
    """Write rows as a table of two files; give back its path."""

    def made(rows: list[tuple[Any, ...]], schema: str, kind: str = "delta", name: str = "input") -> str:
        path = str(tmp_path / name)
        spark.createDataFrame(rows, schema).repartition(2).write.format(kind).mode("overwrite").save(path)
        return path

    return made
