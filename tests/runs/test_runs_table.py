"""Rows of the ``runs`` table as later runs read them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from textclf.runs.record import RunRecord
from textclf.runs.runs_table import PastRun, known_runs, newest_runs, parsed, runs_table
from textclf.storage import Warehouse

BEGUN = datetime(2026, 1, 31, tzinfo=UTC)


def test_the_newest_runs_come_first_with_what_their_records_say(spark: SparkSession, tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path), None, str(tmp_path))
    assert runs_table(spark, warehouse) is None
    assert known_runs(spark, warehouse, ["r1"]) == set()

    scored = RunRecord("score_table", BEGUN, "r1", input="/data/in", input_version=3, models={"a@1": "d"})
    scored.gate, scored.details = {"verdict": "passed", "slices": []}, {"day": "2026-01-31", "limit": None}
    for minutes, record in enumerate([scored, RunRecord("nightly", BEGUN, "r2"), RunRecord("nightly", BEGUN, "r3")]):
        record.end("failed" if record.run_id == "r2" else "succeeded")
        record.ended_at = BEGUN + timedelta(minutes=minutes)
        record.append(spark, warehouse)

    table = runs_table(spark, warehouse)
    assert table is not None
    assert [run.run_id for run in newest_runs(table, 2)] == ["r3", "r2"]
    (run,) = newest_runs(table.where(F.col("job") == "score_table"), 2)
    assert (run.status, run.input, run.input_version, run.models) == ("succeeded", "/data/in", 3, {"a@1": "d"})
    assert run.gate == {"verdict": "passed", "slices": []}
    assert run.details["day"] == "2026-01-31"
    assert (run.ended_at - run.started_at).total_seconds() == 0
    assert known_runs(spark, warehouse, ["r1", "r2", "r9"]) == {"r1", "r2"}
    assert known_runs(spark, warehouse, ["r1", "r2", "r9"], ["failed", "refused"]) == {"r2"}


def test_what_a_record_does_not_say_is_empty() -> None:
    row = {"run_id": "r", "job": "nightly", "status": "killed", "started_at": BEGUN, "ended_at": BEGUN, "input": None}
    read = PastRun.of(row | {"input_version": None, "models": None, "gate": None, "details": None})

    assert read == PastRun("r", "nightly", "killed", BEGUN, BEGUN)
    assert parsed({"run_id": "r", "gate": None, "details": '{"day": 1}'}) == {
        "run_id": "r",
        "gate": {},
        "details": {"day": 1},
    }
