"""One search of a source at a time."""

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import search_models as job
from tests.training.corpora import source_toml
from textclf.config import load_pipeline
from textclf.errors import LockError
from textclf.search.exclusive import sources_locked
from textclf.tables import Warehouse
from textclf.tables.lock import LockLog, lock_name, searched
from textclf.tables.schemas import TRIALS

RunJob = Callable[..., tuple[int, dict[str, Any], str]]
FIRST = "20260131T000000-00000000"


def test_a_second_search_of_a_source_ends_with_5_and_other_sources_do_not_wait(
    spark: SparkSession, run_job: RunJob, write_config: Callable[[str], Path]
) -> None:
    config = write_config(source_toml("a") + source_toml("b"))
    warehouse = Warehouse.of(load_pipeline(config))
    with sources_locked(spark, warehouse, ["a"], FIRST, 60):
        code, record, said = run_job(job, "--config", config)
        assert (code, record["status"]) == (5, "locked")
        assert f"that share a lock with them.\n  received: run {FIRST} of search_models, process" in said
        assert f"expected: no other run on {searched('a')} of" in said
        with sources_locked(spark, warehouse, ["b"], "other", 60):
            pass
    with sources_locked(spark, warehouse, ["a", "b"], "later", 60):
        pass


@pytest.mark.long
def test_a_killed_search_gets_a_record_from_the_next_and_crowns_nobody(spark: SparkSession, tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path), None, str(tmp_path / "models"))
    place = warehouse.location("trials")
    place.ensure(spark, TRIALS)
    with sources_locked(spark, warehouse, ["a"], FIRST, 60) as stalled:
        log = LockLog(spark, f"{warehouse.locks(spark)}/{lock_name(str(place), searched('a'))}")
        number, lease = log.newest()
        assert lease is not None
        past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        assert log.commit(number + 1, dataclasses.replace(lease, expires=past))
        with sources_locked(spark, warehouse, ["a"], "second", 60):
            pass
        with pytest.raises(LockError, match="its lock went to another run"):
            stalled.check(searched("a"))
    (run,) = warehouse.location("runs").read(spark).collect()
    assert (run["run_id"], run["job"], run["status"]) == (FIRST, "search_models", "killed")
    details = json.loads(run["details"])
    assert (details["published"], details["tables"]) == (False, {"trials": str(place)})


def test_a_thousand_sources_share_few_locks() -> None:
    assert len({searched(f"source-{number}") for number in range(1000)}) == 64
