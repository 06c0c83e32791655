"""Which environment a job's executors get: the lean one, or the full one where something there needs TensorFlow."""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from textclf.config import Pipeline, load_pipeline
from textclf.errors import ConfigError, UsageError
from textclf.spark.environments import AUTO, FULL, LEAN, SETTING
from textclf.spark.submit_options import Submission

_BASELINE = "logistic_regression"  # the only architecture that is fitted without Keras
_MLFLOW = "models:/"
_VARIABLE = "spark.yarn.appMasterEnv."
_CHAINS = ("nightly", "run")  # jobs that build models and score with them
# A job that is not listed gets the full environment: what it imports is not known here.
_KNOWN = {
    *("ingest_corpus", "build_vocabulary", "train_model", "search_models", "score_table", *_CHAINS),
    *("maintain_tables", "report", "show_run", "explain_row"),
}


@dataclass(frozen=True)
class JobFlags:
    """The flags of a job that decide how it is submitted; None for those that are not given."""

    config: str | None = None
    backend: str | None = None
    architecture: str | None = None
    input: str | None = None
    output: str | None = None
    figures: str | None = None

    @classmethod
    def of(cls, arguments: Sequence[str]) -> "JobFlags":
        """Read the flags of a job's command line as the job will, also shortened ones."""
        made = argparse.ArgumentParser(add_help=False, exit_on_error=False)
        for name in cls.__dataclass_fields__:
            made.add_argument(f"--{name}")
        try:
            known, _ = made.parse_known_args(list(arguments))
        except (argparse.ArgumentError, SystemExit):  # a flag without its value, which the job itself refuses
            return cls()
        return cls(**vars(known))


def drivers_environ(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the values of ``${NAME}`` for a driver on YARN, as far as they are known here.

    Args:
        settings: Spark's settings of the job; those of the application master's environment count before this one's.
    """
    given = {name.removeprefix(_VARIABLE): value for name, value in settings.items() if name.startswith(_VARIABLE)}
    return {**os.environ, **given}


def environment_kind(submission: Submission, *, driver_there: bool) -> str:
    """Return which environment a job gets: ``full`` or ``lean``.

    Args:
        submission: The command line; its setting ``spark.textclf.environment`` decides if it is not ``auto``.
        driver_there: Whether the driver runs in the environment, too.

    Raises:
        UsageError: There is no such environment.
    """
    asked = submission.settings.get(SETTING, AUTO)
    if asked not in (FULL, LEAN, AUTO):
        raise UsageError(
            "There is no such environment for executors.",
            received=f"{SETTING}={asked}",
            expected=f"{AUTO}, {FULL} or {LEAN}",
        )
    if asked != AUTO:
        return asked
    if submission.job not in _KNOWN:
        return FULL
    config = JobFlags.of(submission.arguments).config
    try:
        environ = drivers_environ(submission.settings) if driver_there else os.environ
        pipeline = None if config is None else load_pipeline(config, environ)
    except ConfigError:
        pipeline = None
    if pipeline is None:  # without one a driver here ends before it needs executors; one there may have another file
        return FULL if driver_there else LEAN
    return FULL if next(_full_reasons(submission, pipeline, driver_there=driver_there), None) else LEAN


def _full_reasons(submission: Submission, pipeline: Pipeline, *, driver_there: bool) -> Iterator[str]:
    """Yield what needs packages that the lean environment does not have."""
    job, flags = submission.job, JobFlags.of(submission.arguments)
    builds = pipeline.builds_by if job in _CHAINS else None
    if job in ("score_table", *_CHAINS) and "keras" in (flags.backend, pipeline.score.backend):
        yield "Keras scores"
    if job == "search_models" or builds == "search":
        searched = {name for source in pipeline.sources for name in pipeline.search.plan(source.name).searched}
        if searched != {_BASELINE}:
            yield "executors fit networks"
        if driver_there and pipeline.mlflow is not None:
            yield "the driver logs to MLflow"
    # A chain may go on to score with Keras what it has trained: some networks cannot be compiled.
    trains = (job == "train_model" and driver_there) or builds == "train"
    if trains and (flags.architecture or pipeline.search.architecture) != _BASELINE:
        yield "a network is trained"
    if driver_there and job in ("score_table", *_CHAINS):
        challenger = pipeline.score.challenger
        named = challenger.values() if isinstance(challenger, dict) else [challenger]
        if any(_MLFLOW in (name or "") for name in (pipeline.score.model, *named, *submission.arguments)):
            yield "the driver asks an MLflow registry"
