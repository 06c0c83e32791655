"""The job run makes the tables of the single jobs, whether it is killed in the middle or not."""

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs import run
from tests.chain.session_state import Seen, assert_nothing_is_left
from tests.cluster.chain import assert_same_models, in_order, write_config, write_data
from tests.cluster.submission import submit_environ
from tests.commands import ROOT, assert_quiet
from tests.factories.chain_folder import ChainFolder
from tests.factories.pipeline_folder import RunJob
from textclf.chain.rules import STEPS

pytestmark = pytest.mark.long
TABLES = ("corpus", "corpus_rejects", "vocabulary", "tokens", "results", "results_rejects")
BY_HAND = (("ingest_corpus",), ("build_vocabulary",), ("train_model", "--promote"), ("score_table",), ("report",))
SOURCES = 3
RUNS = {
    "run succeeded": 1,
    "ingest_corpus succeeded": 1,
    "build_vocabulary succeeded": 1,
    "train_model succeeded": SOURCES,
    "score_table succeeded": 1,
    "report succeeded": 1,
}
"""Run records of a chain that has done everything, by job and status."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def by_hand(spark: SparkSession, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pipeline whose single jobs have run."""
    folder = tmp_path_factory.mktemp("chain") / "by_hand"
    config = write_config(folder, sample, f"{folder}/warehouse")
    for job, *flags in BY_HAND:
        assert import_module(f"jobs.{job}").main(["--config", str(config), *flags]) == 0
    return folder


def rows(spark: SparkSession, folder: Path, table: str) -> pd.DataFrame:
    return in_order(spark.read.format("delta").load(f"{folder}/warehouse/{table}").toPandas())


def assert_same_tables(spark: SparkSession, found: Path, expected: Path) -> None:
    """Assert that two warehouses have the same rows to the last bit, except for runs and times, and the same models."""
    for table in TABLES:
        there = rows(spark, expected, table)
        assert len(there) > 0
        pd.testing.assert_frame_equal(rows(spark, found, table), there, check_exact=True)
    assert_same_models(f"{found}/warehouse", f"{expected}/warehouse")


def test_it_makes_the_tables_of_the_single_jobs_and_no_step_leaves_anything_to_the_next(
    spark: SparkSession, run_job: RunJob, sample: Path, by_hand: Path, tmp_path: Path, seen: Seen
) -> None:
    folder = tmp_path / "run"
    write_config(folder, sample, f"{folder}/warehouse")
    chain = ChainFolder(spark, folder, run_job)

    assert chain.run(run) == 0, chain.said

    assert chain.did(*STEPS)
    assert_same_tables(spark, folder, by_hand)
    assert chain.runs() == RUNS
    assert len(seen) == 2 * len(STEPS)
    assert_nothing_is_left(seen)


def test_after_the_single_jobs_there_is_nothing_to_do(spark: SparkSession, run_job: RunJob, by_hand: Path) -> None:
    chain = ChainFolder(spark, by_hand, run_job)
    before = chain.runs(), chain.warehouse.location("results").version(spark)

    assert chain.run(run) == 0, chain.said

    assert chain.did()
    assert "nothing to do: every step is up to date" in chain.said
    assert (chain.runs(), chain.warehouse.location("results").version(spark)) == (
        {**before[0], "run succeeded": 1},
        before[1],
    )


def test_a_run_that_was_killed_in_the_middle_is_taken_up(
    spark: SparkSession, run_job: RunJob, sample: Path, by_hand: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    config = write_config(folder, sample, f"{folder}/warehouse")
    chain = ChainFolder(spark, folder, run_job)
    command = [sys.executable, "-m", "tests.chain.killed_run_process", "--config", str(config)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with (tmp_path / "log").open("wb") as log:  # not a pipe, which workers may keep open for a while
        killed = subprocess.run(command, cwd=ROOT, env=environ, start_new_session=True, stderr=log, check=False)
    assert killed.returncode == -signal.SIGKILL, (tmp_path / "log").read_text()
    assert chain.runs() == {
        "ingest_corpus succeeded": 1, "build_vocabulary succeeded": 1, "train_model succeeded": 1,
    }  # fmt: skip

    command = [str(ROOT / "spark-submit.sh"), "run", "--config", str(config)]
    done = subprocess.run(command, env=submit_environ(), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert_quiet(done.stderr)
    chain.record, chain.said = json.loads(done.stdout.splitlines()[-1]), done.stderr
    assert chain.did("models", "score", "report")
    assert "was built from this corpus and these settings" in chain.plan("models", "restaurants")
    assert_same_tables(spark, folder, by_hand)
    assert chain.runs() == RUNS | {"run killed": 1}
    assert chain.record["scored_rows"] + chain.record["rejected_rows"] == chain.record["input_rows"] == 3000
