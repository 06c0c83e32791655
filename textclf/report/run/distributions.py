"""Distributions of a run's labels and scores, by source, with those of the week before."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from textclf.quality.audit import Figures, bin_of
from textclf.quality.score_bins import BINS
from textclf.report.run.counted_here import Count

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
    results: DataFrame | None, run: Mapping[str, Any], counts: list[Count] | None = None
) -> tuple[int, dict[str, Distribution], dict[str, Distribution]]:
    """Count a run's rows in the table, and return its distributions and those of the week before, by source.

    Rows that the gate refused or that later runs replaced are in no table. Then the run's distributions come from its
    record.

    Args:
        results: The table; None if there is none.
        run: Record of the run.
        counts: All rows of the table, if they have been counted; Spark counts otherwise.
    """
    if results is None:
        there = {}
    elif counts is not None:
        there = _summed(each for each in counts if each.run_id == run["rows_of"])
    else:
        there = _distribution(results.where(F.col("run_id") == run["rows_of"]))
    rows = sum(each.rows for each in there.values())
    recorded = _recorded(map(Figures.from_json, run["gate"].get("slices", [])))
    now = recorded if recorded and rows != run["scored_rows"] else there
    return rows, now, {} if results is None else _before(results, run["rows_of"], now, counts)


def _recorded(slices: Iterable[Figures]) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    for each in slices:
        if each.scored:
            one = found.setdefault(each.slice.source or "", Distribution(score_sum=None))
            one.labels += each.labels
            one.bins = [a + b for a, b in zip(one.bins, each.scores, strict=True)]
            one.days.add(str(each.slice.ds or "no date"))
    return dict(sorted(found.items()))


def _before(
    results: DataFrame, run_id: str, now: Mapping[str, Distribution], counts: list[Count] | None
) -> dict[str, Distribution]:
    """Return, for each source, the distribution of the week that ends with its last day before the run's first."""
    dated = {source: [day for day in each.days if day[:1].isdigit()] for source, each in now.items()}
    firsts = {source: dt.date.fromisoformat(min(days)) for source, days in dated.items() if days}
    if not firsts:
        return {}
    if counts is not None:
        return _summed(_week_before([each for each in counts if each.run_id not in (None, run_id)], firsts))
    first = results.sparkSession.createDataFrame([*firsts.items()], "its_source string, day date")
    older = _of_days(results.where(F.col("run_id") != run_id), first, F.col("ds") < F.col("day"))
    last = older.groupBy(F.col("source").alias("its_source")).agg(F.max("ds").alias("day"))
    return _distribution(_of_days(older, last, F.col("ds") > F.date_sub("day", _WEEK)))


def _week_before(counts: Sequence[Count], firsts: Mapping[str, dt.date]) -> Iterator[Count]:
    """Yield, for each source, the counts of the week that ends with its last day before its given day."""
    days: dict[str, list[tuple[dt.date, Count]]] = {}
    for each in counts:
        if each.source is None or each.source not in firsts or each.ds is None:
            continue
        if each.ds < firsts[each.source]:
            days.setdefault(each.source, []).append((each.ds, each))
    for older in days.values():
        last = max(day for day, _ in older)
        yield from (each for day, each in older if day > last - dt.timedelta(days=_WEEK))


def _of_days(results: DataFrame, days: DataFrame, condition: Column) -> DataFrame:
    """Return the rows that meet a condition on their source's day; ``days`` has one row per source."""
    joined = results.join(F.broadcast(days), F.col("source").eqNullSafe(F.col("its_source")) & condition)
    return joined.select(*results.columns)


def _distribution(rows: DataFrame) -> dict[str, Distribution]:
    groups = rows.groupBy("run_id", "source", "ds", "label", bin_of(F.col("score")).cast("int").alias("bin"))
    counted = groups.agg(F.count("*").alias("rows"), F.sum("score").alias("sum"))
    return _summed(Count(**row.asDict()) for row in counted.collect())


def _summed(counts: Iterable[Count]) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    for each in counts:
        one = found.setdefault(each.source or "", Distribution())
        one.labels[each.label or ""] += each.rows
        one.bins[each.bin] += each.rows
        one.score_sum = (one.score_sum or 0.0) + each.sum
        one.days.add(str(each.ds or "no date"))
    return dict(sorted(found.items()))
