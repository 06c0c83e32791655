"""Searches logged to MLflow, and their figures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.factories.artifacts import sample
from tests.factories.trials import trial
from textclf.artifact import ModelStore
from textclf.artifact.mlflow_registry import default_address
from textclf.config import Mlflow, SearchPlan
from textclf.integrations.mlflow_tracking import log_search
from textclf.report.search_figures import search_figures
from textclf.search.search import Outcome, Report
from textclf.search.selection import candidate_result, choose
from textclf.search.trial import Result, Trial
from textclf.search.winner import Saved

CURVES = {"loss": [0.6, 0.4], "accuracy": [0.7, 0.9], "val_loss": [0.6, 0.5], "val_accuracy": [0.6, 0.8]}


@pytest.fixture
def models(tmp_path: Path) -> str:
    return str(tmp_path / "models")


@pytest.fixture
def report(models: str) -> Report:
    """Return the report of a search of one source: two networks, a baseline and the saved model."""
    saved = ModelStore(models).save(sample("s"))
    candidates = [[trial("cnn", fold, num_filters=size) for fold in range(4)] for size in (4, 8)]
    candidates.append([trial("logistic_regression", fold) for fold in range(4)])
    results: list[tuple[Trial, Result]] = []
    for place, trials in enumerate(candidates):
        history = CURVES if place < 2 else {}
        results += [
            (each, Result(each.key, "succeeded", 1.7e9, 0.5, 0.7 + place / 50, 0.5, 2, history=history))
            for each in trials
        ]
    stood = [candidate_result(results[start : start + 4]) for start in (0, 4, 8)]
    verdict = choose([each for each in stood if each is not None], SearchPlan(beat_baseline=False))
    outcome = Outcome("s", verdict, Saved("key", "s", "1", saved.digest, 0.8), promoted=True, trials=12)
    return Report("search", {"s": outcome}, 12, 0, 1.0, results)


@pytest.mark.timeout(400)
def test_a_search_in_sqlite(report: Report, models: str, capfd: pytest.CaptureFixture[str]) -> None:
    import mlflow

    log_search(Mlflow(timeout=300), models, report)

    assert "not logged" not in capfd.readouterr().err
    client = mlflow.MlflowClient(default_address(models), default_address(models))
    experiment = client.get_experiment_by_name("textclf")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run.data.tags.get("mlflow.parentRunId") for run in runs]
    source = next(run for run in runs if run.data.tags["mlflow.runName"] == "s")
    assert (len(runs), parents.count(source.info.run_id), parents.count(None)) == (14, 12, 1)
    assert source.data.metrics["test_accuracy"] == 0.8
    champion = client.get_model_version_by_alias("s", "champion")
    loaded = mlflow.pyfunc.load_model(champion.source)
    assert [column.name for column in loaded.metadata.signature.inputs] == ["text"]
    found = loaded.predict(pd.DataFrame({"text": ["good food", "bad food"]}))
    assert found["label"].tolist() == ["1", "0"]


def test_a_dead_server_is_said_and_nothing_else(report: Report, models: str, capfd: pytest.CaptureFixture[str]) -> None:
    # Nothing listens on port 9: only root may bind it.
    log_search(Mlflow(tracking_uri="http://127.0.0.1:9", timeout=60), models, report)

    assert "the search is not logged there" in capfd.readouterr().err


def test_pictures(report: Report) -> None:
    figures = dict(search_figures(report))

    assert set(figures) == {"s-space", "s-curves"}
    curves = figures["s-curves"].axes[0]
    assert [float(np.asarray(line.get_ydata())[-1]) for line in curves.lines] == pytest.approx([0.9] * 5 + [0.8] * 5)
