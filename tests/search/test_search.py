"""A search on real executors: its trials, ledger, selection and champion."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from jobs import search_models as job
from tests.factories.corpora import invented, put, source_toml
from tests.factories.pipeline_folder import RunJob
from textclf.artifact import ModelStore
from textclf.config import Pipeline, parse_pipeline
from textclf.runs.workspace import Workspace
from textclf.search.encode import encoded_sources
from textclf.search.search import Report, search_models
from textclf.search.trial import Result
from textclf.search.warm_up import worker_environment
from textclf.spark.task_pool import FanOut
from textclf.storage import Warehouse

SPACE = """
[train]
keras_backend = "jax"
[search]
strategy = "grid"
folds = 2
epochs = 2
[search.space]
num_filters = [2]
kernel_size = [2, 3]
embedding_dim = [4]
"""


def pipeline_in(folder: Path, body: str = SPACE, sources: tuple[str, ...] = ("a", "b")) -> Pipeline:
    return parse_pipeline(f'warehouse = "{folder}"\n' + "".join(map(source_toml, sources)) + body)


def rows_of(spark: SparkSession, warehouse: Warehouse) -> list[dict[str, Any]]:
    return [row.asDict() for row in warehouse.location("trials").read(spark).collect()]


def measures(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Return the measurements of each trial, without its search, duration and start time."""
    left_out = ("search_id", "seconds", "started_at")
    return {row["trial"]: tuple(str(row[name]) for name in row if name not in left_out) for row in rows}


@pytest.fixture(scope="module")
def searched(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Warehouse, Report]:
    pipeline = pipeline_in(tmp_path_factory.mktemp("searched"))
    put(spark, pipeline, "a", invented(90))
    warehouse = put(spark, pipeline, "b", invented(40, ("x", "y", "z")))
    told: list[tuple[int, int]] = []
    report = search_models(
        Workspace(spark, pipeline), pipeline.sources, "first", on_progress=lambda done, of: told.append((done, of))
    )
    assert told == [(done, report.ran) for done in range(1, report.ran + 1)]
    return pipeline, warehouse, report


def test_each_trial_is_in_the_table_once(spark: SparkSession, searched: tuple[Pipeline, Warehouse, Report]) -> None:
    _, warehouse, report = searched
    rows = rows_of(spark, warehouse)

    # Two networks and the baseline, two folds, two sources.
    assert len(rows) == len(measures(rows)) == 12 == report.ran
    assert {row["status"] for row in rows} == {"succeeded"}
    assert {(row["source"], row["architecture"], row["fold"]) for row in rows} == {
        (source, name, fold) for source in "ab" for name in ("cnn", "logistic_regression") for fold in (0, 1)
    }
    network = next(row for row in rows if row["architecture"] == "cnn")
    history = json.loads(network["history"])
    best = network["epochs"] - 1
    assert history["val_loss"][best] == min(history["val_loss"]) == pytest.approx(network["loss"], abs=1e-6)
    assert history["val_accuracy"][best] == pytest.approx(network["accuracy"], abs=1e-6)


def test_the_winner_is_tested_saved_and_promoted(searched: tuple[Pipeline, Warehouse, Report]) -> None:
    _, warehouse, report = searched
    outcome, store = report.outcomes["a"], ModelStore(warehouse.models)
    assert outcome.verdict is not None
    assert outcome.saved is not None
    artifact = store.load("a")

    assert store.champion("a") == outcome.saved.version == "1"
    assert artifact.manifest.architecture == outcome.verdict.chosen.trial.candidate.architecture
    assert artifact.manifest.metrics["accuracy"] == outcome.saved.accuracy
    assert artifact.manifest.training["search"]["baseline"]["architecture"] == "logistic_regression"
    assert artifact.manifest.training["rows"] == 67
    assert ModelStore(warehouse.models).load("b").manifest.labels == ["x", "y", "z"]


def test_trials_do_not_depend_on_slots_or_order(
    spark: SparkSession, searched: tuple[Pipeline, Warehouse, Report]
) -> None:
    pipeline, _, report = searched
    fan, alone = FanOut(spark.sparkContext, "alone"), list[Result]()
    with (
        encoded_sources(Workspace(spark, pipeline), pipeline.sources) as encoded,
        worker_environment(spark.sparkContext, "jax"),
    ):
        for trial, _ in reversed(report.results):
            info = encoded.infos[trial.info.source]
            fan.submit([replace(trial, info=info)], encoded.packs[info.source])
        while len(alone) < len(report.results):
            alone += fan.results()

    measured = {result.key: (result.accuracy, result.loss, result.history) for _, result in report.results}
    assert {result.key: (result.accuracy, result.loss, result.history) for result in alone} == measured


def test_a_second_search_runs_nothing_that_is_known(
    spark: SparkSession, searched: tuple[Pipeline, Warehouse, Report]
) -> None:
    pipeline, _, report = searched
    again = search_models(Workspace(spark, pipeline), pipeline.sources, "second")

    assert (again.ran, again.known) == (0, 12)
    assert [each.saved and each.saved.version for each in again.outcomes.values()] == ["1", "1"]
    assert [each.verdict and each.verdict.chosen.accuracy for each in again.outcomes.values()] == [
        each.verdict and each.verdict.chosen.accuracy for each in report.outcomes.values()
    ]


def test_only_what_is_missing_or_changed_runs_again(
    spark: SparkSession, searched: tuple[Pipeline, Warehouse, Report]
) -> None:
    pipeline, warehouse, _ = searched
    only = [pipeline.sources[0]]
    place = warehouse.location("trials")
    before = measures(rows_of(spark, warehouse))
    place.delta(spark).delete("source = 'a' AND fold = 1 AND architecture = 'cnn'")

    resumed = search_models(Workspace(spark, pipeline), only, "third")
    assert (resumed.ran, resumed.known) == (2, 4)
    assert measures(rows_of(spark, warehouse)) == before

    longer = pipeline.model_copy(update={"search": pipeline.search.model_copy(update={"epochs": 3})})
    changed = search_models(Workspace(spark, longer), only, "fourth")
    # A logistic regression has no epochs.
    assert (changed.ran, changed.known) == (4, 2)


def test_fresh_runs_everything_and_measures_the_same(
    spark: SparkSession, searched: tuple[Pipeline, Warehouse, Report]
) -> None:
    pipeline, warehouse, _ = searched
    fresh = search_models(Workspace(spark, pipeline), pipeline.sources[1:], "anew", fresh=True)
    rows = [row for row in rows_of(spark, warehouse) if row["source"] == "b"]

    assert (fresh.ran, fresh.known) == (6, 0)
    assert measures([row for row in rows if row["search_id"] == "anew"]) == measures(
        [row for row in rows if row["search_id"] == "first"]
    )
    assert ModelStore(warehouse.models).champion("b") == "2"


NESTED = """
[train]
keras_backend = "jax"
[search]
strategy = "halving"
candidates = 3
folds = 2
epochs = 3
nested = 2
[search.space]
num_filters = [2]
kernel_size = [2]
embedding_dim = [4]
learning_rate = [0.0001, 0.01, 0.1]
"""


@pytest.mark.long
def test_halving_inside_a_nested_cross_validation(spark: SparkSession, tmp_path: Path) -> None:
    pipeline = pipeline_in(tmp_path, NESTED, ("a",))
    warehouse = put(spark, pipeline, "a", invented(120))
    report = search_models(Workspace(spark, pipeline), pipeline.sources, "nested")
    rows = rows_of(spark, warehouse)

    # On all rows and without each outer fold: three networks for one epoch, one for three, and the baseline.
    for outer in (None, 0, 1):
        inner = [row for row in rows if row["outer_fold"] == outer and row["fold"] is not None]
        networks = [row for row in inner if row["architecture"] == "cnn"]
        assert (len(inner), Counter(row["budget"] for row in networks)) == (10, {1: 6, 3: 2})
        brief: dict[str, list[tuple[float, float]]] = {}
        for row in networks:
            if row["budget"] == 1:
                brief.setdefault(row["params"], []).append((-row["accuracy"], row["loss"]))
        best = min(brief, key=lambda params: np.mean(brief[params], axis=0).tolist())
        assert {row["params"] for row in networks if row["budget"] == 3} == {best}
    # Each outer fold is scored once, by the winner of the inner search that left it out.
    outside = {row["outer_fold"]: row["accuracy"] for row in rows if row["fold"] is None}
    assert sorted(report.outcomes["a"].nested) == sorted(outside.values())
    assert outside.keys() == {0, 1}
    assert len(rows) == report.ran == 32
    assert report.outcomes["a"].promoted

    again = search_models(Workspace(spark, pipeline), pipeline.sources, "again")
    assert (again.ran, again.known) == (0, 32)
    assert again.outcomes["a"].nested == report.outcomes["a"].nested


FAILING = """
[train]
keras_backend = "jax"
[search]
strategy = "grid"
folds = 2
epochs = 2
architecture = "cnn"
[search.space]
embedding_dim = [4]
num_filters = [2]
kernel_size = [2, 500]
learning_rate = [0.001, 1e30]
"""


def test_a_failing_candidate_or_source_loses_nothing_else(
    spark: SparkSession, run_job: RunJob, write_config: Callable[[str], Path]
) -> None:
    from textclf.config import load_pipeline

    config = write_config(source_toml("good") + source_toml("one_label") + FAILING)
    pipeline = load_pipeline(config)
    put(spark, pipeline, "good", invented(60))
    warehouse = put(spark, pipeline, "one_label", [(text, "1") for text, _ in invented(20)])

    code, record, said = run_job(job, "--config", config)

    rows = rows_of(spark, warehouse)
    wide = [row for row in rows if '"kernel_size": 500' in row["params"]]
    wild = [row for row in rows if '"learning_rate": 1e+30' in row["params"] and row not in wide]
    assert code == 1
    assert "too few labels" in record["details"]["sources"]["one_label"]["problem"]
    assert {row["status"] for row in wide} == {"failed"}
    assert all("kernel_size=500" in row["error"] for row in wide)
    assert [(row["status"], row["accuracy"]) for row in wild] == [("diverged", None)] * 2
    assert all("loss is nan after epoch 1" in row["error"] for row in wild)
    assert [row["status"] for row in rows if row not in wide + wild] == ["succeeded"] * 4
    assert (len(rows), record["details"]["sources"]["good"]["failed"]) == (10, 6)
    assert record["details"]["sources"]["good"]["champion"] is True
    assert "one_label" in said
