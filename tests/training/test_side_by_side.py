"""Models of several sources, trained by workers side by side: the driver's models to the last bit, whatever fails."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import train_model as job
from tests.factories.corpora import invented, put, source_toml
from tests.factories.pipeline_folder import RunJob
from tests.points import ask_to_stop
from tests.spark_jobs import jobs_of
from textclf.artifact import Artifact, ModelStore
from textclf.config import Pipeline, load_pipeline
from textclf.runs.workspace import Workspace
from textclf.spark.task_pool import FanOut
from textclf.training import side_by_side
from textclf.training.side_by_side import gain, trainings

NAMES = ("zebra", "a-b", "A_b", "0")  # not sorted, and alike but for one sign
SMALL = {"num_filters": "32", "embedding_dim": "32", "kernel_size": "3", "epochs": "3"}
TEXT = "[text]\nmax_length = 16\n"
SET = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
WriteConfig = Callable[[str], Path]


@pytest.fixture
def config(spark: SparkSession, write_config: WriteConfig) -> Path:
    """Write the corpora of four sources of different sizes; return their pipeline file."""
    written = write_config("".join(map(source_toml, NAMES)) + TEXT)
    for number, name in enumerate(NAMES):
        put(spark, load_pipeline(written), name, invented(200 + 40 * number))
    return written


@pytest.fixture
def free_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every fit be worth a worker."""
    monkeypatch.setattr(side_by_side, "_START", -1.0)


def models(pipeline: Pipeline) -> dict[str, Artifact]:
    store = ModelStore(str(pipeline.models or f"{pipeline.warehouse}/models"))
    return {f"{name}@{version}": store.load(name, version) for name in store.names() for version in store.versions(name)}


@pytest.mark.parametrize("architecture", ["cnn", "logistic_regression"])
def test_workers_give_the_models_of_the_driver_to_the_last_bit(
    config: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    flags = ("--config", config, "--architecture", architecture, *(SET if architecture == "cnn" else ()))
    sent: list[int] = []
    submit = FanOut.submit
    monkeypatch.setattr(FanOut, "submit", lambda pool, tasks, *more: sent.append(len(tasks)) or submit(pool, tasks, *more))
    code, here, _ = run_job(job, *flags)
    assert (code, sent) == (0, [])
    monkeypatch.setattr(side_by_side, "_START", -1.0)
    code, there, said = run_job(job, *flags, "--promote")
    assert (code, sent) == (0, [len(NAMES)])

    found = models(load_pipeline(config))
    for name in NAMES:
        assert found[f"{name}@1"].files == found[f"{name}@2"].files
        assert found[f"{name}@1"].with_version("2").digest == found[f"{name}@2"].digest
    assert list(here["details"]) == list(there["details"]) == list(NAMES)
    assert list(there["models"]) == [f"{name}@2" for name in NAMES]
    assert {name: each["champion"] for name, each in there["details"].items()} == dict.fromkeys(NAMES, "2")
    alike = ("accuracy", "loss", "parameters", "settings")
    for name in NAMES:
        assert [here["details"][name][key] for key in alike] == [there["details"][name][key] for key in alike]
        assert f"{name}@2: test accuracy" in said
