from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.factories.pipeline_folder import RunJob
from tests.nightly.days import STEADY, write_labelled
from tests.nightly.week import Week


@pytest.fixture
def week(spark: SparkSession, run_job: RunJob, tmp_path: Path) -> Week:
    for source in STEADY:
        write_labelled(tmp_path / f"{source}.tsv", 100)
    sources = "".join(
        f'[[sources]]\nname = "{name}"\npath = "{tmp_path / name}.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
        for name in STEADY
    )
    config = tmp_path / "pipeline.toml"
    config.write_text(
        f'warehouse = "{tmp_path / "warehouse"}"\n{sources}'
        '[search]\narchitecture = "logistic_regression"\n'
        f'[score]\ninput = "{tmp_path / "input"}"\nsource = "source"\ndate = "ds"\n'
        '[nightly]\nbuild = "train"\npause = 0.0\n[gate]\nmin_rows = 100\n'
    )
    return Week(spark, tmp_path, run_job)
