"""A warehouse to score tables into, with helpers for the tests of scoring."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

from pyspark.sql import DataFrame

from jobs import score_table as score_job
from tests.factories.artifacts import sample
from tests.factories.corpora import source_toml
from tests.factories.pipeline_folder import PipelineFolder
from textclf.artifact import Artifact, ModelStore
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.score import ScoreOptions, score_table

DAY = date(2026, 1, 31)
ONE_MODEL = source_toml("yelp") + '[score]\nmodel = "yelp"\n'
ROUTED = source_toml("yelp") + '[score]\nsource = "source"\ndate = "ds"\n'
OPEN_GATE = "[gate]\nmax_rejects = 1.0\nmax_unknown = 1.0\n"


def champions(folder: str) -> ModelStore:
    """Return a model store with champions for yelp (two labels) and trec (six)."""
    store = ModelStore(folder)
    for artifact in (sample("yelp"), sample("trec", labels=tuple("abcdef"))):
        store.promote(artifact.manifest.name, store.save(artifact).manifest.version)
    return store


@dataclass
class Scoring(PipelineFolder):
    """A warehouse with champions, its pipeline file, and the results of passes and jobs.

    Attributes:
        store: The models of the warehouse.
    """

    store: ModelStore

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.spark, self.pipeline)

    def configure(self, body: str) -> "Scoring":
        """Write the pipeline file for later passes and jobs; the warehouse is added."""
        place = json.dumps(str(self.folder / "warehouse"))  # quoted as in TOML
        self.config.write_text(f"warehouse = {place}\n{body}", encoding="utf-8")
        return self

    def promote(self, artifact: Artifact) -> Artifact:
        """Save an artifact as the newest version and champion of its model."""
        saved = self.store.save(artifact)
        self.store.promote(saved.manifest.name, saved.manifest.version)
        return saved

    def write(self, rows: Sequence[tuple[Any, ...]], schema: str, kind: str = "delta", name: str = "input") -> str:
        """Write rows as a table of two files, and return its path."""
        path = str(self.folder / name)
        self.spark.createDataFrame(rows, schema).repartition(2).write.format(kind).mode("overwrite").save(path)
        return path

    def score(self, path: str | Path, **options: Any) -> RunRecord:
        """Run a scoring pass over a table; ``options`` are fields of ``ScoreOptions``."""
        run = RunRecord("score_table")
        score_table(self.workspace, run, ScoreOptions(input=str(path), **options))
        return run

    def publish(self, path: str | Path, **options: Any) -> RunRecord:
        """Call ``score`` and append its record, which later runs read."""
        run = self.score(path, **options)
        run.end("succeeded")
        run.append(self.spark, self.warehouse)
        return run

    def job(self, *flags: object, module: ModuleType = score_job) -> int:
        """Run a job, by default ``score_table``, with the pipeline file, and return its exit code."""
        return self.run(module, *flags)

    @property
    def results(self) -> DataFrame:
        return self.rows("results")

    @property
    def rejects(self) -> DataFrame:
        return self.rows("results_rejects")

    def staged(self) -> list[Path]:
        """Return the entries that runs left in staging."""
        return list(self.folder.glob("warehouse/_staging/*"))

    def versions(self) -> list[int]:
        """Return the versions of the results and of the rejects."""
        return [self.warehouse.location(name).version(self.spark) for name in ("results", "results_rejects")]


def values(found: DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Return the rows of these columns in a fixed order."""
    return sorted(map(tuple, found.select(*columns).collect()), key=repr)
