"""Earlier runs that a chain depends on, read from the table ``runs``."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from statistics import median
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from textclf.common.secrets import unmasked
from textclf.runs.deliveries import INGEST, NEWEST_RUNS, still_refused
from textclf.runs.runs_table import PastRun, newest_runs, runs_table
from textclf.storage import Warehouse

VOCABULARY = "build_vocabulary"
MODELS = ("train_model", "search_models")
_JOBS = (INGEST, VOCABULARY, *MODELS)
_PARTLY = (INGEST, *MODELS)
"""Jobs whose record has the figures of the sources that they have finished, also if the run has failed for others."""
_NIGHTS = 20  # number of newest nights from which the usual times of steps are taken


@dataclass(frozen=True)
class Done:
    """The newest run that completed a step for a source.

    Attributes:
        run_id: Identifier of the run.
        job: Name of the job.
        started_at: When the run started.
        ended_at: When the run ended.
        figures: Figures of the source in the run record.
    """

    run_id: str
    job: str
    started_at: datetime
    ended_at: datetime
    figures: Mapping[str, Any]

    @property
    def night(self) -> date:
        """The day that the run was for, or else the day that it ended on."""
        given = self.figures.get("night")
        return date.fromisoformat(given) if given else self.ended_at.date()


@dataclass(frozen=True)
class Past:
    """The newest runs by source, and how long the steps of a night take.

    Attributes:
        ingested: The run that published the newest delivery of each source.
        counted: The run that built the newest vocabulary of each source.
        built: The run that built the newest model of each source.
        usual: Median seconds of each step over all nights, including those that skipped it.
        busy: Median seconds of each step over the nights that did not skip it.
        refused: The run that refused the newest delivery of each source, unless a later delivery was published.
    """

    ingested: Mapping[str, Done] = field(default_factory=dict)
    counted: Mapping[str, Done] = field(default_factory=dict)
    built: Mapping[str, Done] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)
    busy: Mapping[str, float] = field(default_factory=dict)
    refused: Mapping[str, Done] = field(default_factory=dict)


def past(spark: SparkSession, warehouse: Warehouse) -> Past:
    """Read the table ``runs``."""
    runs = runs_table(spark, warehouse)
    if runs is None:
        return Past()
    # A run that failed for one source has done its work for the others: it has published their deliveries, or built
    # their models. Their figures are in its record.
    ours = runs.where(F.col("job").isin(*_PARTLY) | ((F.col("status") == "succeeded") & F.col("job").isin(*_JOBS)))
    nights = runs.where((F.col("status") == "succeeded") & (F.col("job") == "nightly"))
    return past_of(newest_runs(ours, NEWEST_RUNS), newest_runs(nights, _NIGHTS))


def past_of(runs: Iterable[PastRun], nights: Iterable[PastRun] = ()) -> Past:
    """Find what a chain depends on among earlier runs.

    Args:
        runs: Runs of ``ingest_corpus``, ``build_vocabulary``, ``train_model`` and ``search_models``, newest first.
        nights: Nights, newest first.
    """
    found: dict[str, dict[str, Done]] = {INGEST: {}, VOCABULARY: {}, "models": {}}
    ended = [run for run in runs if run.status == "succeeded" or run.job in _PARTLY]
    for run in ended:
        kind = "models" if run.job in MODELS else run.job
        for source, figures in _sources(run.job, run.details):
            found[kind].setdefault(source, _done(run, figures))
    refused = still_refused((run, run.details) for run in ended if run.job == INGEST)
    steps = [step for night in nights for step in night.details.get("steps", [])]
    worked = [step for step in steps if step["state"] == "done"]
    return Past(
        found[INGEST],
        found[VOCABULARY],
        found["models"],
        _medians(steps),
        _medians(worked),
        {source: _done(*each) for source, each in refused.items()},
    )


def _done(run: PastRun, figures: Mapping[str, Any]) -> Done:
    return Done(run.run_id, run.job, run.started_at, run.ended_at, figures)


def _sources(job: str, details: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each source in a record with its figures."""
    kept = details if job == "train_model" else details.get("sources", {})
    for source, figures in kept.items():
        # A search also records sources without a winner; other entries of the record do not belong to a source.
        if isinstance(figures, dict) and (job not in MODELS or "version" in figures):
            yield unmasked(source), figures  # the previous release masked the names of sources: ``${NAME}``


def _medians(steps: list[Any]) -> dict[str, float]:
    taken: dict[str, list[float]] = {}
    for step in steps:
        taken.setdefault(step["step"], []).append(step["seconds"])
    return {step: median(values) for step, values in taken.items()}
