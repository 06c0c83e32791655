"""Digests by which a later run knows whether rows would be scored the same way again."""

from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

from pyspark.sql import SparkSession

from textclf.common.digests import json_digest
from textclf.config import Pipeline, Score
from textclf.config.identity import stored_json
from textclf.scoring.input.day_values import lit_day
from textclf.scoring.input.table import day_digests
from textclf.scoring.plan import Plan, ScoreOptions

_ABOUT_RUNS = {"nightly", "logs", "metrics", "lineage", "lock", "upkeep", "report", "mlflow"}
"""Sections of the pipeline file that do not affect rows."""
_FIRST_OPTIONS = {
    "input", "output", "model", "day", "backend", "limit", "all_scores", "evidence", "challengers", "changed_only",
    "since",
}  # fmt: skip
"""Options that are part of every fingerprint. Never add to this set; see ``config.identity``."""


@dataclass(frozen=True)
class Mark:
    """Digests of what determines the results of a day.

    Attributes:
        input: Digest of the files that hold the day's rows; empty if there are none.
        fingerprint: Digest of ``input``, the models, the settings that affect rows, and the options.
    """

    input: str
    fingerprint: str


def mark_days(plan: Plan, pipeline: Pipeline, options: ScoreOptions, first: date, last: date) -> dict[date, Mark]:
    """Return the mark of each day from ``first`` to ``last``; empty if the input's content is not known by its files.

    Without a date column every day has all rows.
    """
    table, name = plan.table, pipeline.score.date
    days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
    if name is not None:
        found = day_digests(table, table.unchecked_day(name), first, last)
    else:
        # All rows belong to one day, and any will do.
        found = day_digests(table, lit_day(first), first, first)
        found = found and dict.fromkeys(days, found.get(first, ""))
    if found is None:
        return {}
    same = _besides_rows(plan, pipeline, options)
    marks = {}
    for day in days:
        content = found.get(day, "")
        marks[day] = Mark(content, json_digest([content, *same], default=str))
    return marks


def whole_fingerprint(spark: SparkSession, plan: Plan, pipeline: Pipeline, options: ScoreOptions) -> str | None:
    """Return a digest of what determines the results of a run that scores the whole input, without a Spark job.

    Returns:
        Digest of the input's files or version, the models, the settings that affect rows, and the options. None if
        the run does not score the whole input, or if the input's content is not known, as that of a view.
    """
    if options.day is not None or options.limit is not None:
        return None
    content = plan.table.content(spark)
    if content is None:
        return None
    return json_digest(["whole", content, *_besides_rows(plan, pipeline, options)], default=str)


def _besides_rows(plan: Plan, pipeline: Pipeline, options: ScoreOptions) -> list[Any]:
    """Return what determines results besides the rows of the input."""
    of_rows = asdict(replace(options, input=None, output=None, day=None))
    # As with settings: an option of a later release must not change the digest unless it is given.
    of_rows = {name: value for name, value in of_rows.items() if name in _FIRST_OPTIONS or value}
    return [str(plan.table.place), sorted(plan.routes.digests.items()), _about_rows(pipeline), of_rows]


def _about_rows(pipeline: Pipeline) -> str:
    """Settings that affect rows, as JSON; ``max_sources`` may end a run, but does not change a row."""
    default = Score.model_fields["max_sources"].get_default()
    score = pipeline.score.model_copy(update={"max_sources": default})
    return stored_json(pipeline.model_copy(update={"score": score}), exclude=_ABOUT_RUNS)
