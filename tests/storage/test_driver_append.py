"""Rows appended by the driver are like those of any other writer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.spark_jobs import jobs_of
from textclf.errors import InputError, LockError
from textclf.runs.outcome import code_when_kept
from textclf.runs.record import RunRecord
from textclf.spark import cancellation
from textclf.storage import Warehouse, driver_append
from textclf.storage.delta_log import none
from textclf.storage.driver_append import append_rows
from textclf.storage.leases.fence import Fence, close
from textclf.storage.schemas import RUNS
from textclf.storage.warehouse import Location

CHECKPOINT = {8: 6, 9: 1}
"""Spark jobs of a checkpoint of Delta's log, which the ninth of ten commits makes, and of the commit after it."""


def _run(number: int) -> tuple[object, ...]:
    values: dict[str, object] = dict.fromkeys(RUNS.columns)
    values |= {"run_id": f"run {number}", "started_at": datetime(2026, 1, 31, 23, 59, number, 7, UTC)}
    values |= {"models": {"a@1": "x", "é": "y"} if number else {}, "input_rows": 2**40, "details": '{"a": "\u2028"}'}
    return tuple(values[name] for name in RUNS.columns)


def test_rows_are_those_that_spark_would_have_written(spark: SparkSession, tmp_path: Path) -> None:
    ours, sparks = Location(f"{tmp_path}/ours"), Location(f"{tmp_path}/sparks")
    rows = [_run(number) for number in range(3)]
    for place in (ours, sparks):
        place.ensure(spark, RUNS)
    append_rows(spark, ours, RUNS, rows[:1])
    append_rows(spark, ours, RUNS, rows[1:])
    append_rows(spark, ours, RUNS, [])
    sparks.append(spark.createDataFrame(rows, RUNS.schema))
    assert sorted(ours.read(spark).collect()) == sorted(sparks.read(spark).collect())
    assert ours.read(spark).schema == sparks.read(spark).schema
    history = ours.delta(spark).history().orderBy("version").collect()
    assert [(row["operation"], row["isBlindAppend"]) for row in history[1:]] == [("WRITE", True)] * 2


def test_any_number_of_records_is_few_files_and_few_commits_to_read(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, ids = Warehouse(str(tmp_path), None, f"{tmp_path}/models"), set[str]()
    place = warehouse.location(RUNS.name)
    for number in range(24):
        if number == 12:
            monkeypatch.setattr(driver_append, "_LARGE", 1)  # from now on all files are large, and stay
        record = RunRecord("ingest_corpus")
        record.end("succeeded")
        spark_jobs = jobs_of(spark, partial(record.append, spark, warehouse))
        ids.add(record.run_id)
        assert len(spark_jobs) <= CHECKPOINT.get(number % 10, 0), (number, spark_jobs)
        segment = place.log(spark).update(False, none(spark), none(spark)).logSegment()
        files = place.delta(spark).detail().collect()[0]["numFiles"]
        assert segment.deltas().size() < 10
        assert number >= 12 or files < 10
    assert files > 12
    assert len(ids) == 24
    assert sorted(row["run_id"] for row in place.read(spark).collect()) == sorted(ids)


@pytest.mark.parametrize(
    "change",
    [
        "SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')",
        "ADD COLUMNS (later STRING)",
    ],
)
def test_a_table_that_asks_more_of_its_files_is_written_by_spark(
    spark: SparkSession, tmp_path: Path, change: str
) -> None:
    place = Location(f"{tmp_path}/runs")
    place.ensure(spark, RUNS)
    spark.sql(f"ALTER TABLE delta.`{place}` {change}")
    append_rows(spark, place, RUNS, [_run(1)])
    found = place.read(spark).select("run_id", F.col("models")["a@1"].alias("model")).collect()
    assert [tuple(row) for row in found] == [("run 1", "x")]


def test_rows_that_break_a_constraint_are_not_appended(spark: SparkSession, tmp_path: Path) -> None:
    place = Location(f"{tmp_path}/runs")
    place.ensure(spark, RUNS)
    spark.sql(f"ALTER TABLE delta.`{place}` ADD CONSTRAINT known CHECK (run_id <> 'run 1')")
    append_rows(spark, place, RUNS, [_run(0)])
    with pytest.raises(InputError, match=r"CHECK constraint known \(.*\) violated"):
        append_rows(spark, place, RUNS, [_run(1)])
    assert [row["run_id"] for row in place.read(spark).collect()] == ["run 0"]


def test_a_record_that_spark_writes_is_written_once_and_never_by_a_run_that_was_taken_over(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, append = Warehouse(str(tmp_path), None, f"{tmp_path}/models"), Location.append
    place = warehouse.location("runs")
    place.ensure(spark, RUNS)
    spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    tries = list[str]()

    def cancelled(self: Location, df: DataFrame, options: Mapping[str, str] | None = None) -> str:
        tries.append(append(self, df, options))
        if len(tries) == 1:
            raise RuntimeError("Job 7 cancelled as part of cancellation of all jobs")
        return tries[-1]

    run, dead = RunRecord("ingest"), RunRecord("score_table")
    with monkeypatch.context() as patched:
        patched.setattr(Location, "append", cancelled)
        patched.setattr(cancellation, "asked", lambda: True)
        run.append(spark, warehouse)
    close(spark, place, [dead.run_id])
    with pytest.raises(LockError):
        append_rows(spark, place, RUNS, [tuple(dead.row().values())], Fence(dead.run_id, again=True))

    assert len(tries) == 2
    assert [row["run_id"] for row in place.read(spark).collect()] == [run.run_id]


def test_a_run_that_was_recorded_as_killed_ends_as_one_that_lost_its_lock_however_it_ended(
    spark: SparkSession, tmp_path: Path
) -> None:
    warehouse, run = Warehouse(str(tmp_path), None, f"{tmp_path}/models"), RunRecord("score_table")
    killed = RunRecord("score_table", run_id=run.run_id)
    killed.end("killed")
    assert killed.append_for_another(spark, warehouse)

    def lost() -> None:
        raise LockError("lost")

    run.fence = Fence(run.run_id, lost)
    run.end("failed", "files were removed")
    assert code_when_kept(spark, warehouse, run, 1) == 5
    assert run.status == "locked"
    assert [row["status"] for row in warehouse.location("runs").read(spark).collect()] == ["killed"]
