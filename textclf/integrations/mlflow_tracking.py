"""Log a finished search to MLflow: a run for the search, child runs for its sources, and under these its trials.

The log is written last, in a thread that the job waits for no longer than ``[mlflow] timeout``: a tracking server that
is down or slow does not affect the search.
"""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from textclf.artifact import ModelStore
from textclf.artifact.mlflow_registry import DIGEST_TAG, import_mlflow, patience, registry_address, without_password
from textclf.common.logs import say
from textclf.common.secrets import first_line
from textclf.config import Mlflow
from textclf.integrations.mlflow_flavor import save_model
from textclf.search.search import Outcome, SearchReport
from textclf.search.trial import SUCCEEDED, Result, Trial

CHAMPION = "champion"
_LONGEST = 500  # characters of a parameter in MLflow


def log_search(settings: Mlflow, models: str, report: SearchReport) -> None:
    """Log a search and register its champions; failures are reported on standard error.

    Args:
        settings: Section ``[mlflow]`` of the pipeline file.
        models: Folder or URL of the trained models.
        report: Report of the search.

    Raises:
        UsageError: MLflow is not installed.
    """
    import_mlflow("The pipeline file has [mlflow]")  # checked here, so that it is raised and not only logged
    uri = registry_address(settings.tracking_uri, models)
    problem: list[str] = []

    def work() -> None:
        try:
            _Log(uri, settings.experiment, models).search(report)
        except Exception as error:  # noqa: BLE001 - whatever the server does, the search has succeeded
            problem.append(first_line(error, named=True))

    thread = threading.Thread(target=work, daemon=True)
    with patience():
        thread.start()
        thread.join(settings.timeout)
    if thread.is_alive():
        problem.append(f"not finished after {settings.timeout} s")
    if problem:
        place = without_password(uri)
        what = f"MLflow at {place}: {problem[0].replace(uri, place)}; the search is not logged there, or only in part"
        say(what, "warning")


class _Log:
    def __init__(self, uri: str, experiment: str, models: str) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._store = ModelStore(models)
        found = self._client.get_experiment_by_name(experiment)
        if found is not None:
            self._experiment = found.experiment_id
        else:
            place = str(Path(uri.removeprefix("sqlite:///")).parent / "mlruns") if uri.startswith("sqlite:") else None
            self._experiment = self._client.create_experiment(experiment, artifact_location=place)

    def search(self, report: SearchReport) -> None:
        """Log the whole search."""
        search = self._run(f"search {report.search_id}", None, {"trials_run": report.ran, "seconds": report.seconds})
        runs = {}
        for name, outcome in report.outcomes.items():
            runs[name] = self._run(name, search, _measures(outcome), _params(outcome))
        for trial, result in report.results:
            self._trial(trial, result, runs[trial.info.source])
        for name, outcome in report.outcomes.items():
            if outcome.saved is not None and outcome.saved.error is None:
                self._register(outcome, runs[name])
            self._client.set_terminated(runs[name], "FAILED" if outcome.problem else "FINISHED")
        self._client.set_terminated(search, "FINISHED")

    def _run(
        self, name: str, parent: str | None, measures: dict[str, float], params: dict[str, Any] | None = None
    ) -> str:
        from mlflow.entities import Metric, Param

        tags = {"mlflow.runName": name, "mlflow.source.name": "textclf"}
        tags |= {} if parent is None else {"mlflow.parentRunId": parent}
        run: str = self._client.create_run(self._experiment, tags=tags).info.run_id
        now = int(time.time() * 1000)
        found = [Metric(key, float(value), now, 0) for key, value in measures.items()]
        given = [Param(key, str(value)[:_LONGEST]) for key, value in (params or {}).items()]
        self._client.log_batch(run, metrics=found, params=given)
        return run

    def _trial(self, trial: Trial, result: Result, parent: str) -> None:
        from mlflow.entities import Metric

        measures = {"seconds": result.seconds, "accuracy": result.accuracy, "loss": result.loss}
        params: dict[str, Any] = {
            "architecture": trial.candidate.architecture,
            "fold": trial.fold,
            "outer": trial.outer,
        }
        params |= dict(trial.candidate.values)
        name = f"{trial.candidate.architecture} {trial.candidate.params} fold {trial.fold}"
        run = self._run(name, parent, {key: value for key, value in measures.items() if value is not None}, params)
        begun = int(result.started_at * 1000)
        curves = [
            Metric(f"epoch_{key}", value, begun, epoch)
            for key, values in result.history.items()
            for epoch, value in enumerate(values, 1)
        ]
        for start in range(0, len(curves), 1000):  # MLflow's limit per call
            self._client.log_batch(run, metrics=curves[start : start + 1000])
        self._client.set_terminated(run, "FINISHED" if result.status == SUCCEEDED else "FAILED")

    def _register(self, outcome: Outcome, run: str) -> None:
        """Register the champion, with signature and alias, as the next version of the model named after the source."""
        from mlflow.exceptions import MlflowException

        assert outcome.saved is not None
        name, digest = outcome.source, outcome.saved.digest
        known = self._client.search_model_versions(f"name = '{name}'")
        if any(version.tags.get(DIGEST_TAG) == digest for version in known):
            return  # the search was resumed after it had finished
        with tempfile.TemporaryDirectory() as scratch:
            model = Path(scratch, "model")
            save_model(self._store.load(name, outcome.saved.version), model)
            self._client.log_artifacts(run, str(model), "model")
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{self._client.get_run(run).info.artifact_uri}/model"
        tags = {DIGEST_TAG: digest, "textclf_version": outcome.saved.version}
        version = self._client.create_model_version(name, source, run, tags=tags)
        self._client.set_registered_model_alias(name, CHAMPION, version.version)


def _measures(outcome: Outcome) -> dict[str, float]:
    found: dict[str, float] = {"trials": outcome.trials, "failed": outcome.failed, "seconds": outcome.seconds}
    if outcome.verdict is not None:
        found |= {"cv_accuracy": outcome.verdict.chosen.accuracy, "cv_error": outcome.verdict.chosen.standard_error}
        if outcome.verdict.baseline is not None:
            found["baseline_accuracy"] = outcome.verdict.baseline.accuracy
    if outcome.saved is not None and outcome.saved.error is None:
        found["test_accuracy"] = outcome.saved.accuracy
    return found


def _params(outcome: Outcome) -> dict[str, Any]:
    if outcome.verdict is None:
        return {}
    candidate = outcome.verdict.chosen.trial.candidate
    return {"architecture": candidate.architecture, "rule": outcome.verdict.rule, **dict(candidate.values)}
