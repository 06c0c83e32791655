from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.factories.pipeline_folder import RunJob
from tests.nightly.days import write_steady_pipeline
from tests.nightly.week import Week


@pytest.fixture
def week(spark: SparkSession, run_job: RunJob, tmp_path: Path) -> Week:
    write_steady_pipeline(tmp_path, score='date = "ds"\n')
    return Week(spark, tmp_path, run_job)
