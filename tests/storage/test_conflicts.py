"""Runs that publish concurrently without a lock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType

from textclf.errors import InputError
from textclf.runs.record import RunRecord
from textclf.storage import Location, Warehouse
from textclf.storage.publish import Slice, replace_slices
from textclf.storage.schemas import RUNS, results_rejects

DAYS = [date(2026, 1, day) for day in (1, 1, 2)]
SPEC = results_rejects(LongType())


def test_a_commit_that_loses_is_made_again_and_slices_stay_whole(spark: SparkSession, tmp_path: Path) -> None:
    place = Location(path=str(tmp_path / "results_rejects"))

    def publish(number: int) -> None:
        day, run = DAYS[number], f"run{number}"
        columns = {"source": "yelp", "reason": "null_text", "run_id": run}
        rows = spark.range(10).withColumn("ds", F.lit(day))
        rows = rows.select("id", "ds", *(F.lit(value).alias(name) for name, value in columns.items()))
        replace_slices(place, rows, SPEC, [Slice(day, "yelp")])

    with ThreadPoolExecutor(3) as pool:  # the table does not exist yet, so its creation is a race too
        list(pool.map(publish, range(3)))
    found = place.read(spark).groupBy("ds").agg(F.count("*"), F.count_distinct("run_id")).collect()
    assert sorted(map(tuple, found)) == [(DAYS[0], 10, 1), (DAYS[2], 10, 1)]


def test_records_that_are_kept_at_once_are_all_kept(spark: SparkSession, tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path), None, f"{tmp_path}/models")

    def keep(_: int) -> str:
        record = RunRecord("score_table")
        record.end("succeeded")
        record.append(spark, warehouse)
        return record.run_id

    with ThreadPoolExecutor(3) as pool:
        kept = set(pool.map(keep, range(3)))
    assert {row["run_id"] for row in warehouse.location("runs").read(spark).collect()} == kept


def test_a_table_is_made_where_a_killed_driver_has_begun_to(spark: SparkSession, tmp_path: Path) -> None:
    place = Location(path=str(tmp_path / "runs"))
    (tmp_path / "runs" / "_delta_log").mkdir(parents=True)

    assert place.ensure(spark, RUNS)

    assert place.read(spark).columns == list(RUNS.columns)
    assert not place.ensure(spark, RUNS)


def test_no_table_is_made_among_files_of_others(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "notes.txt").write_text("not a table", encoding="utf-8")

    with pytest.raises(InputError, match="other files"):
        Location(path=str(tmp_path / "runs")).ensure(spark, RUNS)
