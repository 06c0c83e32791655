"""A small warehouse of three days for faults, with its inputs, and every run in it."""

import os
import random
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from delta import DeltaTable as SparkTable
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from tests.factories.artifacts import sample
from tests.points import TABLES, files_of_no_version, let_expire
from textclf.artifact import ModelStore
from textclf.config import Pipeline, Upkeep, parse_pipeline
from textclf.runs.outcome import code_when_kept, end_with
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.score import ScoreOptions, score_table
from textclf.storage import Warehouse
from textclf.storage.delta_log import hadoop_path
from textclf.storage.leases.locks import UNDATED
from textclf.workflow.maintenance import runs_held_off, tend

DAYS = tuple(date(2026, 1, 1) + timedelta(days=at) for at in range(3))
SIZES = ((40, 2), (43, 0), (37, 5))
"""Rows and rejects of a day in each version of the input: all differ, and one has no rejects."""
_VACUUM = {
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",  # the default would start 10,000 tasks
}


def write_inputs(folder: Path) -> None:
    """Write a model and each version of the input, of one file for each day, into a new folder."""
    folder.mkdir(parents=True)
    store = ModelStore(str(folder / "models"))
    store.promote("yelp", store.save(sample("yelp")).manifest.version)
    for version, (rows, rejects) in enumerate(SIZES):
        (folder / f"input{version}").mkdir()
        for day in DAYS:
            texts = [None if number < rejects else ("good food", "bad")[number % 2] for number in range(rows)]
            columns = {"id": range(rows), "text": texts, "ds": [day] * rows}
            pq.write_table(pa.table(columns), folder / f"input{version}" / f"{day}.parquet")


def pipeline_text(warehouse: str, folder: Path, more: str = "") -> str:
    """Return a pipeline file that scores inputs of ``write_inputs``."""
    return (
        f'warehouse = "{warehouse}"\nmodels = "{folder}/models"\n[[sources]]\nname = "yelp"\npath = "none"\n'
        f'format = "jsonl"\n[score]\nmodel = "yelp"\ndate = "ds"\n[gate]\nmax_rejects = 1.0\n{more}'
    )


@dataclass
class World:
    """A warehouse, its inputs, and all runs so far.

    Attributes:
        folder: Folder of the inputs and the models.
        root: URL below which the warehouse is, in another storage; empty if it is in the folder.
        runs: Status and exit code of each run, by run id.
        seen: Ids of all runs whose rows were ever published, including killed runs.
    """

    spark: SparkSession
    folder: Path
    rng: random.Random
    root: str = ""
    figures: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    runs: dict[str, tuple[str, int]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        write_inputs(self.folder)
        text = pipeline_text(self.place, self.folder)
        (self.folder / "pipeline.toml").write_text(text)
        self.pipeline = parse_pipeline(text)

    @property
    def place(self) -> str:
        """Path or URL of the warehouse."""
        return f"{self.root or self.folder}/warehouse"

    def rows(self, name: str, *columns: str) -> list[dict[str, Any]]:
        """Return columns of a table, on a local disk as a reader without Spark sees it."""
        if self.root:
            return [row.asDict() for row in self.warehouse.location(name).read(self.spark).select(*columns).collect()]
        found: list[dict[str, Any]] = (
            DeltaTable(f"{self.place}/{name}").to_pyarrow_table(columns=list(columns)).to_pylist()
        )
        return found

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse with the tables."""
        return Warehouse.of(self.pipeline)

    def input(self, version: int | None = None) -> str:
        """Return the path of a version of the input; by default a random one."""
        return str(self.folder / f"input{self.rng.randrange(len(SIZES)) if version is None else version}")

    def run(self, day: date | None, version: int | None = None) -> tuple[RunRecord, int]:
        """Score one day or all days, as the job does."""
        options = ScoreOptions(input=self.input(version), day=day)
        run, code = score_once(self.spark, self.pipeline, options)
        self.runs[run.run_id] = (run.status, code)
        return run, code

    def let_expire(self, day: date | None) -> None:
        """Let the locks of a stalled run expire: the lease of the first lock covers the others."""
        output = str(self.warehouse.location("results"))
        let_expire(self.spark, self.warehouse.locks(self.spark), output, day or UNDATED)

    def vacuum(self, hours: float) -> None:
        """Run VACUUM on all tables, as any user may."""
        for setting, value in _VACUUM.items():
            self.spark.conf.set(setting, value)
        for name in TABLES:
            SparkTable.forPath(self.spark, str(self.warehouse.location(name))).vacuum(hours)
        for setting in _VACUUM:
            self.spark.conf.unset(setting)

    def maintain(self) -> None:
        """Run upkeep with a retention of zero, as the job does."""
        places = [self.warehouse.location(name) for name in TABLES]
        nothing = Upkeep(retention_days=0.0, short_retention=True)
        with runs_held_off(self.spark, self.warehouse, places[1:], RunRecord("maintain_tables"), 60) as at_work:
            for place in places:
                tend(self.spark, place, nothing, at_work)

    def age_staging(self) -> None:
        """Make the staged files as old as those of a run that was stopped a month ago."""
        old = time.time() - 30 * 86400
        for path in files_of_no_version(self.place):
            if self.root:
                scheme, _, rest = self.root.partition("://")
                system, place = hadoop_path(self.spark, f"{scheme}://{rest.partition('/')[0]}{path}")
                system.setTimes(place, int(old * 1000), -1)
            else:
                os.utime(path, (old, old))


def score_once(spark: SparkSession, pipeline: Pipeline, options: ScoreOptions) -> tuple[RunRecord, int]:
    """Score and record as the job does; return the record and the exit code."""
    run, code = RunRecord("score_table"), 0
    with ExitStack() as held:
        try:
            score_table(Workspace(spark, pipeline), run, options, held)
            run.end("succeeded")
        except Exception as error:  # noqa: BLE001 - as the job does
            code = end_with(run, error).code
        code = code_when_kept(spark, Warehouse.of(pipeline), run, code)
    return run, code
