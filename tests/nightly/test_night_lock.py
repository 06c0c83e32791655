"""A night that another one took over."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from textclf.config import parse_pipeline
from textclf.errors import LockError
from textclf.nightly.night import Night, run_nightly
from textclf.tables import RunRecord, Warehouse
from textclf.tables.lock import NIGHTLY, LockLog, lock_name

DAY = date(2026, 1, 31)


def test_a_night_that_was_taken_for_dead_is_recorded_once(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = '[[sources]]\nname = "yelp"\npath = "x"\nformat = "jsonl"\n'
    pipeline = parse_pipeline(f'warehouse = "{tmp_path}"\n{source}')
    warehouse, older, newer = Warehouse.of(pipeline), RunRecord("nightly"), RunRecord("nightly")

    def work(night: Night) -> None:
        if night.run is newer:
            return
        name = lock_name(str(warehouse.location("nightly")), NIGHTLY)
        log = LockLog(spark, f"{warehouse.locks(spark)}/{name}")
        number, lease = log.newest()
        assert lease is not None
        assert log.commit(number + 1, replace(lease, expires="2020-01-01T00:00:00+00:00"))
        run_nightly(spark, warehouse, pipeline, newer, [DAY])

    monkeypatch.setattr(Night, "work", work)
    run_nightly(spark, warehouse, pipeline, older, [DAY])
    older.end("succeeded")
    with pytest.raises(LockError, match="recorded it as killed"):
        older.append(spark, warehouse)
    newer.end("succeeded")
    newer.append(spark, warehouse)
    found = {row["run_id"]: row["status"] for row in warehouse.location("runs").read(spark).collect()}
    assert found == {older.run_id: "killed", newer.run_id: "succeeded"}
