"""A pipeline file with its warehouse and the output of the newest job, for tests of scoring and of nights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from textclf.config import Pipeline, load_pipeline
from textclf.storage import Warehouse

RunJob = Callable[..., tuple[int, dict[str, Any], str]]
"""Type of the fixture ``run_job``, which runs a job in this process and returns its exit code, record and stderr."""


@dataclass
class PipelineFolder:
    """A folder with a pipeline file, its warehouse and inputs.

    Attributes:
        folder: Folder of the warehouse, the pipeline file and the inputs.
        record: Run record of the newest job.
        said: Standard error of the newest job.
    """

    spark: SparkSession
    folder: Path
    run_job: RunJob
    record: dict[str, Any] = field(default_factory=dict, kw_only=True)
    said: str = field(default="", kw_only=True)

    @property
    def config(self) -> Path:
        return self.folder / "pipeline.toml"

    @property
    def pipeline(self) -> Pipeline:
        return load_pipeline(self.config)

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse.of(self.pipeline)

    def run(self, module: ModuleType, *flags: object) -> int:
        """Run a job with the pipeline file in this process, and return its exit code."""
        code, self.record, self.said = self.run_job(module, "--config", self.config, *flags)
        return code

    def rows(self, name: str) -> DataFrame:
        """Return a table of the warehouse."""
        return self.warehouse.location(name).read(self.spark)
