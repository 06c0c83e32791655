"""A killed backfill resumes where it stopped; the long version is tests/soak/backfill.py."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import score_table
from tests.soak.backfill import Backfill, killed_twice, rows_of


@pytest.mark.long
def test_a_backfill_killed_twice_leaves_the_rows_of_an_undisturbed_one(spark: SparkSession, tmp_path: Path) -> None:
    backfill = Backfill(tmp_path, days=8, rows=500)
    backfill.prepare()

    starts = killed_twice(backfill, "killed")

    assert starts[:2] == [{}, {}]  # both were killed
    assert starts[2]["skipped"] >= 2  # days already published were not scored again
    assert starts[2]["skipped"] + starts[2]["succeeded"] == 8
    assert score_table.main(["--config", str(backfill.config("undisturbed")), *backfill.flags]) == 0
    assert len(rows_of(tmp_path / "killed")) == 4000
    assert backfill.compare("killed", "undisturbed") == 0
