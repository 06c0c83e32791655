"""Models of several sources, trained by workers side by side: the driver's models to the last bit, whatever fails."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import train_model as job
from tests.factories.corpora import invented, put, source_toml
from tests.factories.pipeline_folder import RunJob
from tests.points import ask_to_stop
from tests.processes import run_module
from tests.spark_jobs import jobs_of
from textclf.artifact import Artifact, ModelStore
from textclf.config import Pipeline, Source, load_pipeline
from textclf.errors import UsageError
from textclf.runs.workspace import Workspace
from textclf.spark.task_pool import FanOut
from textclf.storage.schemas import CORPUS
from textclf.storage.warehouse import Warehouse
from textclf.training import side_by_side, train
from textclf.training.side_by_side import gain

NAMES = ("zebra", "a-b", "A_b", "0")  # not sorted, and alike but for one sign
# Large enough for an engine to divide a step among its threads, whose number then decides the last bits.
SMALL = {"num_filters": "128", "embedding_dim": "100", "kernel_size": "5", "epochs": "2", "batch_size": "32"}
TEXT = "[text]\nmax_length = 16\n"
SET = tuple(word for key, value in SMALL.items() for word in ("--set", f"{key}={value}"))
REGRESSION = ("--architecture", "logistic_regression")


@pytest.fixture
def config(spark: SparkSession, write_config: Callable[[str], Path]) -> Path:
    """Write the corpora of four sources of different sizes; return their pipeline file."""
    written = write_config("".join(map(source_toml, NAMES)) + TEXT)
    for number, name in enumerate(NAMES):
        put(spark, load_pipeline(written), name, invented(200 + 40 * number))
    return written


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let every fit be worth a worker; return the number of fits in each Spark job."""
    found: list[int] = []
    submit = FanOut.submit

    def counted(pool: FanOut, tasks: Sequence[Any], shared: Any = None) -> None:
        found.append(len(tasks))
        submit(pool, tasks, shared)

    monkeypatch.setattr(FanOut, "submit", counted)
    monkeypatch.setattr(side_by_side, "_START", -1.0)
    return found


def models(pipeline: Pipeline) -> dict[str, Artifact]:
    """Load all versions of all models."""
    store = ModelStore(Warehouse.of(pipeline).models)
    return {f"{name}@{each}": store.load(name, each) for name in store.names() for each in store.versions(name)}


@pytest.mark.parametrize("flags", [SET, REGRESSION], ids=["cnn", "logistic_regression"])
def test_workers_give_the_models_of_the_driver_to_the_last_bit(config: Path, flags: tuple[str, ...]) -> None:
    # In this process other tests have chosen the engine and its threads.
    done = run_module("tests.training.side_by_side_process", config, *flags)
    here, none, there, sent = map(json.loads, done.stdout.splitlines())
    assert (none, sent) == ([], [len(NAMES)])
    said = done.stderr

    found = models(load_pipeline(config))
    for name in NAMES:
        assert found[f"{name}@1"].files == found[f"{name}@2"].files
        assert found[f"{name}@1"].with_version("2").digest == found[f"{name}@2"].digest
        assert f"{name}@2: test accuracy" in said
    assert list(here["details"]) == list(there["details"]) == list(NAMES)
    assert list(there["models"]) == [f"{name}@2" for name in NAMES]
    versions = {name: (each.pop("version"), each.pop("champion")) for name, each in there["details"].items()}
    assert versions == dict.fromkeys(NAMES, ("2", "2"))
    own = ("version", "champion", "digest")  # the digest covers the version
    for name in NAMES:
        less = {key: value for key, value in here["details"][name].items() if key not in own}
        assert less == {key: value for key, value in there["details"][name].items() if key not in own}


@pytest.mark.parametrize("workers", [True, False])
def test_a_source_that_fails_costs_no_other_its_model(
    spark: SparkSession, config: Path, run_job: RunJob, sent: list[int], monkeypatch: pytest.MonkeyPatch, workers: bool
) -> None:
    if not workers:
        monkeypatch.setattr(side_by_side, "_START", 1e9)
    pipeline = load_pipeline(config)
    records = [("zebra", "a.txt", position, "good food", "1") for position in range(20)]  # of one label
    Warehouse.of(pipeline).replace_sources(spark.createDataFrame(records, CORPUS.schema), CORPUS, ["zebra"])

    code, record, said = run_job(job, "--config", config, *SET, "--set", "epochs=1")

    assert (code, record["status"]) == (3, "failed")
    assert "Source zebra has too few labels" in record["error"]
    assert "Source zebra has too few labels" in said
    assert list(record["details"]) == list(NAMES[1:])
    assert sorted(models(pipeline)) == sorted(f"{name}@1" for name in NAMES[1:])
    assert sent == ([3] if workers else [])


def test_a_setting_that_does_not_fit_a_source_ends_the_job_after_the_sources_before_it(
    config: Path, run_job: RunJob, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(workspace: Workspace, source: Source, *rest: Any) -> train.PreparedFit:
        if source.name == NAMES[2]:
            raise UsageError("It does not fit.")
        return prepare_any(workspace, source, *rest)

    prepare_any = train.prepare
    for module in (train, side_by_side):
        monkeypatch.setattr(module, "prepare", prepare)
    code, record, said = run_job(job, "--config", config, *REGRESSION)

    assert (code, sent, list(record["details"])) == (2, [2], [*NAMES[:2]])
    assert "It does not fit." in said
    assert sorted(models(load_pipeline(config))) == sorted(f"{name}@1" for name in NAMES[:2])


def test_a_fit_that_diverges_on_a_worker_is_told_as_in_the_driver(
    config: Path, run_job: RunJob, sent: list[int]
) -> None:
    code, record, said = run_job(job, "--config", config, *SET, "--set", "learning_rate=1e30")

    assert (code, record["status"], sent) == (3, "failed", [len(NAMES)])
    assert record["error"] == "The fit of zebra has diverged; nothing was saved."  # the first in the pipeline's order
    for name in NAMES:
        assert f"The fit of {name} has diverged" in said
    assert "set a smaller learning_rate" in said
    assert models(load_pipeline(config)) == {}


def test_a_stopped_run_ends_its_fits_and_keeps_no_half_model(
    config: Path, run_job: RunJob, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = FanOut.results

    def stopped(pool: FanOut) -> list[Any]:
        ask_to_stop(signal.SIGTERM)
        return results(pool)

    monkeypatch.setattr(FanOut, "results", stopped)
    code, record, _ = run_job(job, "--config", config, *SET, "--set", "epochs=200")

    assert (code, record["status"], sent) == (1, "stopped", [len(NAMES)])
    assert models(load_pipeline(config)) == {}


def test_all_models_take_one_spark_job(spark: SparkSession, config: Path, run_job: RunJob, sent: list[int]) -> None:
    found = jobs_of(spark, lambda: run_job(job, "--config", config, *REGRESSION))

    assert sent == [len(NAMES)]
    assert [each.tasks for each in found if "models" in each.about] == [len(NAMES)]


def test_workers_get_the_threads_of_the_driver_and_only_for_the_fits(spark: SparkSession) -> None:
    context = spark.sparkContext
    before = dict(context.environment)
    with side_by_side._as_the_driver(context, "jax"):
        threads = {context.environment[f"TF_NUM_{kind}_THREADS"] for kind in ("INTRAOP", "INTEROP")}
        assert threads == {context.environment["NPROC"]} == {str(len(os.sched_getaffinity(0)))}
        assert context.environment["KERAS_BACKEND"] == "jax"
    assert context.environment == before


def test_workers_are_used_where_they_gain_more_than_their_start_costs() -> None:
    assert gain([1.5, 1.5, 1.5], 2) < side_by_side._START  # the sample: three networks of 750 rows
    assert gain([30, 30, 30], 2) > side_by_side._START
    assert gain([60], 16) == gain([60, 60], 1) == 0  # one source, one slot
    assert gain([30, 1, 1], 8) == 2


@pytest.mark.parametrize("setting", ["spark.executor.resource.gpu.amount", "spark.textclf.environment"])
def test_executors_with_gpus_or_without_keras_leave_the_fits_to_the_driver(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    given = {"spark.master": "spark://node:7077", setting: "1" if "gpu" in setting else "lean"}
    assert not side_by_side.can_fit(given)
    assert side_by_side.can_fit({"spark.master": "local[2]", "spark.textclf.environment": "lean"})
    monkeypatch.setattr(side_by_side, "has_gpu", lambda: True)
    assert not side_by_side.can_fit({"spark.master": "local[2]"})
