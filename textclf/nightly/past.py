"""What earlier runs did, from the table ``runs`` alone."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from statistics import median
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from textclf.config import unmasked
from textclf.tables import Warehouse
from textclf.tables.deliveries import INGEST, NEWEST_RUNS, still_refused
from textclf.tables.schemas import RUNS

VOCABULARY = "build_vocabulary"
MODELS = ("train_model", "search_models")
_JOBS = (INGEST, VOCABULARY, *MODELS)
_NIGHTS = 20  # newest nights whose times tell how long steps take


@dataclass(frozen=True)
class Done:
    """The newest run that did something for a source.

    Attributes:
        figures: What its record keeps of the source.
    """

    run_id: str
    job: str
    started_at: datetime
    ended_at: datetime
    figures: Mapping[str, Any]

    @property
    def night(self) -> date:
        """The day that it was done for, else the day that it was done on."""
        given = self.figures.get("night")
        return date.fromisoformat(given) if given else self.ended_at.date()


@dataclass(frozen=True)
class Past:
    """The newest runs by source, and how long the steps of a night take.

    Attributes:
        usual: Median seconds of each step over all nights, those that skip it among them.
        busy: The same over the nights that had something to do in it.
        refused: The run that refused the newest delivery of a source; none where a later one was published.
    """

    ingested: Mapping[str, Done] = field(default_factory=dict)
    counted: Mapping[str, Done] = field(default_factory=dict)
    built: Mapping[str, Done] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)
    busy: Mapping[str, float] = field(default_factory=dict)
    refused: Mapping[str, Done] = field(default_factory=dict)


def past(spark: SparkSession, warehouse: Warehouse) -> Past:
    """Ask the table."""
    place = warehouse.location(RUNS.name)
    if not place.exists(spark):
        return Past()
    succeeded = F.col("status") == "succeeded"
    # An ingest that refused a delivery has failed, and has published the others.
    table = place.read(spark).where(succeeded | (F.col("job") == INGEST)).orderBy(F.desc("ended_at"))
    columns = ("run_id", "job", "started_at", "ended_at", "details")
    rows = table.where(F.col("job").isin(*_JOBS)).select(*columns).limit(NEWEST_RUNS).collect()
    nights = table.where(F.col("job") == "nightly").select("details").limit(_NIGHTS).collect()
    runs = [(row, json.loads(row["details"] or "{}")) for row in rows]
    found: dict[str, dict[str, Done]] = {INGEST: {}, VOCABULARY: {}, "models": {}}
    for row, details in runs:
        kind = "models" if row["job"] in MODELS else row["job"]
        for source, figures in _sources(row["job"], details):
            found[kind].setdefault(source, _done(row, figures))
    refused = still_refused((row, details) for row, details in runs if row["job"] == INGEST)
    steps = [step for row in nights for step in json.loads(row["details"] or "{}").get("steps", [])]
    worked = [step for step in steps if step["state"] == "done"]
    return Past(
        found[INGEST],
        found[VOCABULARY],
        found["models"],
        _medians(steps),
        _medians(worked),
        {source: _done(*each) for source, each in refused.items()},
    )


def _done(row: Any, figures: Mapping[str, Any]) -> Done:
    return Done(row["run_id"], row["job"], row["started_at"], row["ended_at"], figures)


def _sources(job: str, details: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each source in a record, with what is kept of it."""
    kept = details if job == "train_model" else details.get("sources", {})
    for source, figures in kept.items():
        # A search keeps sources without a winner, too; the record's own entries are not of a source.
        if isinstance(figures, dict) and (job not in MODELS or "version" in figures):
            yield unmasked(source), figures  # no source has a name like ``${NAME}``: the release before masked them


def _medians(steps: list[Any]) -> dict[str, float]:
    taken: dict[str, list[float]] = {}
    for step in steps:
        taken.setdefault(step["step"], []).append(step["seconds"])
    return {step: median(values) for step, values in taken.items()}
