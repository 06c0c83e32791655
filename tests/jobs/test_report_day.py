"""The report of a day shows the newest run that scored that day, even if another day was scored later."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import report
from tests.factories.pipeline_folder import RunJob
from textclf.config import load_pipeline
from textclf.runs.record import RunRecord
from textclf.storage import Warehouse

SOURCE = '[[sources]]\nname = "s"\npath = "s.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n'


@pytest.fixture
def config(spark: SparkSession, write_config: Callable[[str], Path]) -> Path:
    """Record two runs of the 5th (the second refused), one of the 4th, and a night, which is not a scoring run."""
    path = write_config(SOURCE)
    warehouse = Warehouse.of(load_pipeline(path))
    begun = datetime(2026, 1, 6, 3, tzinfo=UTC)
    for number, (job, day, status) in enumerate(
        [
            ("score_table", "2026-01-05", "succeeded"),
            ("score_table", "2026-01-05", "refused"),
            ("score_table", "2026-01-04", "succeeded"),
            ("nightly", "2026-01-05", "succeeded"),
        ]
    ):
        run = RunRecord(job, begun + timedelta(hours=number), f"run-{number}", details={"day": day})
        run.end(status)
        run.append(spark, warehouse)
    return path


def test_a_day_has_the_page_of_its_newest_run(run_job: RunJob, config: Path, tmp_path: Path) -> None:
    code, record, said = run_job(report, "--config", config, "--date", "2026-01-05")
    assert (code, record["details"]["run"]) == (0, "run-1"), said
    assert (tmp_path / "warehouse/reports/run-1.html").is_file()

    assert run_job(report, "--config", config)[1]["details"]["run"] == "run-2"

    code, _, said = run_job(report, "--config", config, "--date", "2026-01-07")
    assert code == 3
    assert "No run has scored this day." in said
    assert "score_table --date 2026-01-07" in said

    code, _, said = run_job(report, "--config", config, "--date", "2026-01-05", "--run", "run-0")
    assert code == 2
    assert "not allowed with argument" in said
