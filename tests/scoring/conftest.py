from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.factories.pipeline_folder import RunJob
from tests.scoring.scoring import Scoring, champions


@pytest.fixture
def scoring(spark: SparkSession, run_job: RunJob, tmp_path: Path) -> Scoring:
    """Return a warehouse with champions for yelp (two labels) and trec (six), without a pipeline file."""
    return Scoring(spark, tmp_path, run_job, champions(str(tmp_path / "warehouse/models")))
