"""Distributions of a run's labels and scores, by source, with those of the week before."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from textclf.quality.audit import Figures, bin_of
from textclf.quality.score_bins import BINS

_WEEK = 7  # days, so that a run is compared with each day of the week once


@dataclass
class Distribution:
    """Counts of one source's rows by label and by bin of the score.

    Attributes:
        labels: Number of rows by label.
        bins: Number of rows by bin of the score.
        score_sum: Sum of the scores; None if only the bins are known.
        days: Days of the rows.
    """

    labels: Counter[str] = field(default_factory=Counter)
    bins: list[int] = field(default_factory=lambda: [0] * BINS)
    score_sum: float | None = 0.0
    days: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(self.bins)

    @property
    def mean_score(self) -> float | None:
        """Mean of the scores; None without rows, or if only the bins are known."""
        return self.score_sum / self.rows if self.rows and self.score_sum is not None else None

    @property
    def span(self) -> str:
        """First and last day, as text."""
        return " to ".join(sorted({min(self.days), max(self.days)}))

    def share(self, label: str) -> float:
        """Return the share of rows with a label."""
        return self.labels[label] / self.rows if self.rows else 0.0


def distributions(
    results: DataFrame | None, run: Mapping[str, Any]
) -> tuple[int, dict[str, Distribution], dict[str, Distribution]]:
    """Count a run's rows in the table, and return its distributions and those of the week before, by source.

    Rows that the gate refused or that later runs replaced are in no table. Then the run's distributions come from its
    record.
    """
    there = {} if results is None else _distribution(results.where(F.col("run_id") == run["rows_of"]))
    rows = sum(each.rows for each in there.values())
    recorded = _recorded(map(Figures.from_json, run["gate"].get("slices", [])))
    now = recorded if recorded and rows != run["scored_rows"] else there
    return rows, now, {} if results is None else _before(results, run["rows_of"], now)


def _recorded(slices: Iterable[Figures]) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    for each in slices:
        if each.scored:
            one = found.setdefault(each.slice.source or "", Distribution(score_sum=None))
            one.labels += each.labels
            one.bins = [a + b for a, b in zip(one.bins, each.scores, strict=True)]
            one.days.add(str(each.slice.ds or "no date"))
    return dict(sorted(found.items()))


def _before(results: DataFrame, run_id: str, now: Mapping[str, Distribution]) -> dict[str, Distribution]:
    """Return, for each source, the distribution of the week that ends with its last day before the run's first."""
    dated = {source: [day for day in each.days if day[:1].isdigit()] for source, each in now.items()}
    firsts = [(source, dt.date.fromisoformat(min(days))) for source, days in dated.items() if days]
    if not firsts:
        return {}
    first = results.sparkSession.createDataFrame(firsts, "its_source string, day date")
    older = _of_days(results.where(F.col("run_id") != run_id), first, F.col("ds") < F.col("day"))
    last = older.groupBy(F.col("source").alias("its_source")).agg(F.max("ds").alias("day"))
    return _distribution(_of_days(older, last, F.col("ds") > F.date_sub("day", _WEEK)))


def _of_days(results: DataFrame, days: DataFrame, condition: Column) -> DataFrame:
    """Return the rows that meet a condition on their source's day; ``days`` has one row per source."""
    joined = results.join(F.broadcast(days), F.col("source").eqNullSafe(F.col("its_source")) & condition)
    return joined.select(*results.columns)


def _distribution(rows: DataFrame) -> dict[str, Distribution]:
    day = F.col("ds").cast("string").alias("ds")
    groups = rows.groupBy("source", day, "label", bin_of(F.col("score")).cast("int").alias("bin"))
    found: dict[str, Distribution] = {}
    for row in groups.agg(F.count("*").alias("rows"), F.sum("score").alias("sum")).collect():
        one = found.setdefault(row["source"] or "", Distribution())
        one.labels[row["label"]] += row["rows"]
        one.bins[row["bin"]] += row["rows"]
        one.score_sum = (one.score_sum or 0.0) + row["sum"]
        one.days.add(row["ds"] or "no date")
    return dict(sorted(found.items()))
