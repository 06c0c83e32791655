"""A night whose lock another night has taken over."""

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.points import check_recorded_once, let_expire
from textclf.config import parse_pipeline
from textclf.nightly.nightly import Night, run_nightly
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse
from textclf.storage.leases.locks import NIGHTLY

DAY = date(2026, 1, 31)


def test_a_night_that_was_taken_for_dead_is_recorded_once(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = '[[sources]]\nname = "yelp"\npath = "x"\nformat = "jsonl"\n'
    pipeline = parse_pipeline(f'warehouse = "{tmp_path}"\n{source}')
    warehouse, older, newer = Warehouse.of(pipeline), RunRecord("nightly"), RunRecord("nightly")

    def work(night: Night) -> None:
        if night.steps.run is newer:
            return
        assert let_expire(spark, warehouse.locks(spark), str(warehouse.location("nightly")), NIGHTLY)
        run_nightly(Workspace(spark, pipeline), newer, [DAY])

    monkeypatch.setattr(Night, "work", work)
    run_nightly(Workspace(spark, pipeline), older, [DAY])
    check_recorded_once(spark, warehouse, older, newer)
