"""The audit: figures of each staged slice, from one small query that never reads a text."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from textclf.quality.score_bins import BINS
from textclf.storage.publish import Slice

NO_MODEL = "no_model"
WITHOUT_MODEL = (NO_MODEL, "bad_date", "bad_source")
"""Reject reasons that are about a row's source or day rather than about the row itself."""


@dataclass
class Figures:
    """Row counts of a slice.

    Attributes:
        slice: Day and source of the rows.
        rejected: Number of rows without a score, by reject reason.
        unknown: Number of scored rows without any word that the model knows.
        labels: Number of scored rows by label.
        scores: Number of scored rows by bin of the score of their label.
    """

    slice: Slice
    rejected: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    scores: list[int] = field(default_factory=lambda: [0] * BINS)

    @property
    def scored(self) -> int:
        """Number of rows with a score."""
        return sum(self.labels.values())

    @property
    def rows(self) -> int:
        """Number of all rows."""
        return self.scored + sum(self.rejected.values())

    def to_json(self) -> dict[str, Any]:
        """Return the figures as the run record stores them."""
        return {
            "ds": self.slice.ds and self.slice.ds.isoformat(),
            "source": self.slice.source,
            "rejected": dict(sorted(self.rejected.items())),
            "unknown": self.unknown,
            "labels": dict(sorted(self.labels.items())),
            "scores": self.scores,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Figures":
        """Read figures that ``to_json`` wrote."""
        ds = None if kept["ds"] is None else date.fromisoformat(kept["ds"])
        return cls(
            Slice(ds, kept["source"]),
            Counter(kept["rejected"]),
            kept["unknown"],
            Counter(kept["labels"]),
            list(kept["scores"]),
        )


def score_bin(score: float) -> int:
    """Return the number, from 0, of the bin of a score between 0 and 1."""
    return min(max(math.ceil(score * BINS) - 1, 0), BINS - 1)


def bin_of(score: Column) -> Column:
    """Return the column expression for ``score_bin`` of a column."""
    position = F.ceil(score.cast("double") * BINS) - 1
    return F.least(F.greatest(position, F.lit(0)), F.lit(BINS - 1))


def audit(stored: DataFrame) -> list[Figures]:
    """Compute the figures of each slice of staged rows.

    The driver receives one row for each combination of slice, label and bin that occurs.

    Args:
        stored: Staged rows with the columns ds, source, reason (null in rows with a score), label, score and
            known_tokens.
    """
    keys = {
        "ds": F.col("ds"),
        "source": F.col("source"),
        "reason": F.col("reason"),
        "label": F.col("label"),
        "bin": bin_of(F.col("score")),
    }
    counts = {"rows": F.count(F.lit(1)), "unknown": F.count_if(F.col("known_tokens") == 0)}
    grouped = stored.groupBy(*(column.alias(name) for name, column in keys.items()))
    return collected(grouped.agg(*(column.alias(name) for name, column in counts.items())).collect())


def collected(groups: Iterable[Any]) -> list[Figures]:
    """Sum the groups of ``audit`` by slice, in the order of days and sources; nulls come first."""
    found: dict[Slice, Figures] = {}
    for group in groups:
        place = Slice(group["ds"], group["source"])
        figures = found.setdefault(place, Figures(place))
        if group["reason"] is not None:
            figures.rejected[group["reason"]] += group["rows"]
        else:
            figures.labels[group["label"]] += group["rows"]
            figures.scores[group["bin"]] += group["rows"]
            figures.unknown += group["unknown"]
    return sorted(found.values(), key=lambda each: (each.slice.ds or date.min, each.slice.source or ""))


def repeated_ids(stored: DataFrame) -> int:
    """Count the ids that occur more than once in their slice; null ids are rejects and are not counted."""
    named = stored.where(F.col("id").isNotNull())
    return named.groupBy("ds", "source", "id").count().where("count > 1").count()
