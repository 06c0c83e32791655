"""Maintenance changes no rows and removes no files that may still be needed."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import LongType

from jobs import maintain_tables
from tests.points import check_recorded_once, let_expire
from textclf.config import Upkeep
from textclf.runs.record import RunRecord
from textclf.storage import Location, Warehouse
from textclf.storage.leases.locks import NIGHTLY, UPKEEP, LockLog, lock_name, locked, searched
from textclf.storage.schemas import results_rejects
from textclf.workflow.maintenance import clear_staging, record_dead, runs_held_off, tend, trim_locks

SPEC = results_rejects(LongType())
OLD, NEW = "20200101T000000-0000000", "20990101T000000-0000000"


def test_staging_goes_when_nobody_can_want_it(spark: SparkSession, tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path), None, f"{tmp_path}/models")
    refused = {"a": f"{OLD}a", "b": f"{NEW}b"}
    alive, unknown, ended = f"{OLD}c", f"{OLD}d", f"{NEW}e"
    for run_id in (*refused.values(), alive, unknown, ended):
        (tmp_path / "_staging" / run_id / "scored").mkdir(parents=True)
    for run_id, status in ((refused["a"], "refused"), (refused["b"], "refused"), (ended, "killed")):
        record = RunRecord("score_table", run_id=run_id)
        record.end(status)
        record.append(spark, warehouse)
    with locked(spark, warehouse.locks(spark), "results", alive, "score_table", 60) as locks:
        locks.take([None])
        assert clear_staging(spark, warehouse, Upkeep()) == [refused["a"], unknown, ended]
    assert {path.name for path in (tmp_path / "_staging").iterdir()} == {refused["b"], alive}


def test_small_files_are_merged_and_older_versions_stay_readable(spark: SparkSession, tmp_path: Path) -> None:
    place = Location(path=str(tmp_path / "results_rejects"))
    place.ensure(spark, SPEC)
    for number in range(3):
        place.append(spark.createDataFrame([(number, "yelp", None, "null_text", "run")], SPEC.schema).coalesce(1))
    before = place.version(spark)

    figures = tend(spark, place, Upkeep())

    assert (figures["files_before"], figures["files"]) == (3, 1)
    assert sorted(row["id"] for row in place.read(spark).collect()) == [0, 1, 2]
    assert place.read_version(spark, before).count() == 3  # its files are younger than the retention
    tend(spark, place, Upkeep(retention_days=0.0, short_retention=True))
    assert place.read(spark).count() == 3
    assert len(list((tmp_path / "results_rejects").glob("**/*.parquet"))) == 1
    assert spark.conf.get("spark.databricks.delta.retentionDurationCheck.enabled", "true") == "true"


def test_free_locks_keep_only_their_newest_commit(spark: SparkSession, tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path), None, f"{tmp_path}/models")
    for _ in range(2):
        with locked(spark, warehouse.locks(spark), "results", "run", "score_table", 60) as locks:
            locks.take([None])
            assert trim_locks(spark, warehouse) == 0
        assert trim_locks(spark, warehouse) >= 1
    number, lease = LockLog(spark, f"{warehouse.locks(spark)}/{lock_name('results', None)}").newest()
    assert number == 3
    assert lease is not None
    assert lease.free


def test_a_lock_that_cannot_be_read_stops_no_upkeep(spark: SparkSession, tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path), None, f"{tmp_path}/models")
    log = Path(warehouse.locks(spark), lock_name("results", date(2026, 1, 31)), "_delta_log")
    log.mkdir(parents=True)
    for number in range(2):
        (log / f"{number:020d}.json").touch()
    old = time.time() - 3600
    for held, trimmed in ((True, 0), (False, 1)):
        assert record_dead(spark, warehouse, RunRecord("maintain_tables"), 60) == 0
        assert clear_staging(spark, warehouse, Upkeep()) == []
        assert trim_locks(spark, warehouse) == trimmed
        if held:
            os.utime(log / f"{1:020d}.json", (old, old))


def test_a_run_that_died_is_recorded_though_its_day_never_runs_again(spark: SparkSession, tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path), None, f"{tmp_path}/models")
    folder, output = warehouse.locks(spark), str(warehouse.location("results"))
    with locked(spark, folder, output, f"{NEW}a", "score_table", 60) as locks:
        locks.take([date(2026, 1, 31)])
        assert let_expire(spark, folder, output, date(2026, 1, 31))
        for expected in (1, 0):
            assert record_dead(spark, warehouse, RunRecord("maintain_tables"), 60) == expected
    runs = warehouse.location("runs").read(spark).collect()
    assert [(row["run_id"], row["status"]) for row in runs] == [(f"{NEW}a", "killed")]
    assert json.loads(runs[0]["details"])["day"] == "2026-01-31"


def test_upkeep_and_a_run_on_another_table_of_results_see_each_other(spark: SparkSession, tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path), None, f"{tmp_path}/models")
    folder, upkeep = warehouse.locks(spark), RunRecord("maintain_tables")
    results, rejects = warehouse.location("results"), warehouse.location("results_rejects")

    def locks_on(output: str, run_id: str) -> Any:
        return locked(spark, folder, output, run_id, "score_table", 60)

    with (
        locks_on(str(warehouse.location("nightly")), "night") as night,
        locks_on(str(warehouse.location("trials")), "search") as search,
    ):
        night.take([NIGHTLY])
        search.take([searched("yelp")])
        with ThreadPoolExecutor(1) as pool, locks_on("/elsewhere/results", "later") as later:
            with runs_held_off(spark, warehouse, [results], upkeep, 60) as at_work:
                assert at_work is None
                later.take([date(2026, 1, 31)])
                waiting = pool.submit(later.await_free, UPKEEP, str(rejects))
                with pytest.raises(TimeoutError):
                    waiting.result(0.3)
            waiting.result(5)
            with runs_held_off(spark, warehouse, [results], upkeep, 60) as at_work:
                assert at_work == "later"


def test_upkeep_of_a_table_that_is_named_twice_tends_to_it_once(
    spark: SparkSession, tmp_path: Path, write_config: Callable[[str], Path], run_job: Callable[..., Any]
) -> None:
    config = write_config('[[sources]]\nname = "yelp"\npath = "none"\nformat = "jsonl"\n')
    Location(path=f"{tmp_path}/warehouse/results_rejects").ensure(spark, SPEC)
    for name in ("results", "./results_rejects/"):
        code, said, err = run_job(maintain_tables, "--config", config, "--output", f"{tmp_path}/warehouse/{name}")
        assert code == 0, err
        assert list(said["tables"]) in (["results_rejects"], ["runs", "results_rejects"])


def test_upkeep_that_was_taken_for_dead_is_recorded_once(spark: SparkSession, tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path), None, f"{tmp_path}/models")
    results, older, newer = warehouse.location("results"), RunRecord("maintain_tables"), RunRecord("maintain_tables")
    with runs_held_off(spark, warehouse, [results], older, 60):
        for output in (results, warehouse.location("results_rejects")):
            assert let_expire(spark, warehouse.locks(spark), str(output), UPKEEP)
        with runs_held_off(spark, warehouse, [results], newer, 60):
            pass
    check_recorded_once(spark, warehouse, older, newer)
