"""One search of a source at a time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import search_models as job
from tests.factories.corpora import source_toml
from tests.factories.pipeline_folder import RunJob
from tests.points import check_recorded_once, let_expire
from textclf.config import load_pipeline, parse_pipeline
from textclf.errors import LockError
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.search.source_lock import sources_locked
from textclf.storage.leases.locks import searched
from textclf.storage.schemas import TRIALS

FIRST = "20260131T000000-00000000"


def run(run_id: str) -> RunRecord:
    return RunRecord("search_models", run_id=run_id)


def test_a_second_search_of_a_source_ends_with_5_and_other_sources_do_not_wait(
    spark: SparkSession, run_job: RunJob, write_config: Callable[[str], Path]
) -> None:
    config = write_config(source_toml("a") + source_toml("b"))
    workspace = Workspace(spark, load_pipeline(config))
    with sources_locked(workspace, ["a"], run(FIRST)):
        code, record, said = run_job(job, "--config", config)
        assert (code, record["status"]) == (5, "locked")
        assert f"that share a lock with them.\n  received: run {FIRST} of search_models, process" in said
        assert f"expected: no other run on {searched('a')} of" in said
        with sources_locked(workspace, ["b"], run("other")):
            pass
    with sources_locked(workspace, ["a", "b"], run("later")):
        pass


@pytest.mark.long
def test_a_search_taken_for_dead_is_recorded_once_and_crowns_nobody(spark: SparkSession, tmp_path: Path) -> None:
    workspace = Workspace(spark, parse_pipeline(f'warehouse = "{tmp_path}"\n{source_toml("a")}'))
    warehouse = workspace.warehouse
    place = warehouse.location("trials")
    place.ensure(spark, TRIALS)
    older, newer = run(FIRST), run("20260131T000001-00000000")
    with sources_locked(workspace, ["a"], older) as stalled:
        assert let_expire(spark, warehouse.locks(spark), str(place), searched("a"))
        with sources_locked(workspace, ["a"], newer):
            pass
        with pytest.raises(LockError, match="it lost its lock to another run"):
            stalled.check(searched("a"))
        check_recorded_once(spark, warehouse, older, newer)
    (killed,) = warehouse.location("runs").read(spark).where(f"run_id = '{FIRST}'").collect()
    details = json.loads(killed["details"])
    assert (details["published"], details["tables"]) == (False, {"trials": str(place)})


def test_a_thousand_sources_share_few_locks() -> None:
    assert len({searched(f"source-{number}") for number in range(1000)}) == 64
