"""The figures of each staged slice, from one small query that never looks at a text."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from textclf.common.score_bins import BINS
from textclf.storage.publish import Slice

NO_MODEL = "no_model"
WITHOUT_MODEL = (NO_MODEL, "bad_date", "bad_source")
"""Reasons that are not about the rows of a slice but about where they would belong."""


@dataclass
class Figures:
    """What a slice holds.

    Attributes:
        rejected: Rows by the reason why they have no score.
        unknown: Scored rows without a word that the model knows.
        labels: Scored rows by label.
        scores: Scored rows by bin of the score of their label.
    """

    slice: Slice
    rejected: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    scores: list[int] = field(default_factory=lambda: [0] * BINS)

    @property
    def scored(self) -> int:
        """Rows with a score."""
        return sum(self.labels.values())

    @property
    def rows(self) -> int:
        """Rows in all."""
        return self.scored + sum(self.rejected.values())

    def to_json(self) -> dict[str, Any]:
        """As kept in the run record."""
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
        """What ``to_json`` gave."""
        ds = None if kept["ds"] is None else date.fromisoformat(kept["ds"])
        return cls(
            Slice(ds, kept["source"]),
            Counter(kept["rejected"]),
            kept["unknown"],
            Counter(kept["labels"]),
            list(kept["scores"]),
        )


def score_bin(score: float) -> int:
    """The number, from 0, of the bin that holds a score between 0 and 1."""
    return min(max(math.ceil(score * BINS) - 1, 0), BINS - 1)


def bin_of(score: Column) -> Column:
    """``score_bin`` of a column."""
    position = F.ceil(score.cast("double") * BINS) - 1
    return F.least(F.greatest(position, F.lit(0)), F.lit(BINS - 1))


def audit(stored: DataFrame) -> list[Figures]:
    """The figures of each slice of staged rows.

    The driver gets a row for each slice, label and bin that occur.

    Args:
        stored: Columns ds, source, reason (null in rows with a score), label, score, known_tokens.
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
    """Sum the groups of ``audit`` up by slice, in the order of days and sources; nulls come first."""
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
    """Ids that occur more than once in their slice; null ids are rejects and do not count."""
    named = stored.where(F.col("id").isNotNull())
    return named.groupBy("ds", "source", "id").count().where("count > 1").count()
