from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.scoring.scoring import RunJob, Scoring, champions


@pytest.fixture
def scoring(spark: SparkSession, run_job: RunJob, tmp_path: Path) -> Scoring:
    """A warehouse with champions for yelp (two labels) and trec (six), and no pipeline file yet."""
    return Scoring(spark, tmp_path, champions(str(tmp_path / "warehouse/models")), run_job)
