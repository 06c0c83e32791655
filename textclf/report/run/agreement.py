"""Agreement of champion and challenger in a run: how often they agree, and which labels would change."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_SHOWN = 12  # number of most frequent label changes that are shown for a pair


@dataclass
class Duel:
    """A champion and its challenger on the rows of one source that both scored.

    Attributes:
        source: Name of the source.
        champion, challenger: Models as ``name@version``.
        agreeing: Number of rows with the same label.
        changes: Number of rows with different labels, by the champion's label and the challenger's.
        score_sum, challenger_sum: Sums of the scores that each model gave its own label.
    """

    source: str
    champion: str
    challenger: str
    agreeing: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    score_sum: float = 0.0
    challenger_sum: float = 0.0

    @property
    def rows(self) -> int:
        """Number of rows that both scored."""
        return self.agreeing + self.changes.total()

    @property
    def agreement(self) -> float:
        """Share of rows with the same label."""
        return self.agreeing / self.rows

    @property
    def mean_scores(self) -> tuple[float, float]:
        """Mean scores of champion and challenger, each for its own label."""
        return self.score_sum / self.rows, self.challenger_sum / self.rows

    @property
    def shown(self) -> list[tuple[str, str, int]]:
        """Most frequent changes of label, with their numbers of rows."""
        return [(*labels, rows) for labels, rows in self.changes.most_common(_SHOWN)]


def duels(rows: DataFrame) -> list[Duel]:
    """Return the duels in rows of ``results``, sorted by source; empty if the table has no columns of a challenger."""
    if "challenger_label" not in rows.columns:
        return []
    both = rows.where(F.col("challenger_label").isNotNull())
    named = {
        "source": F.coalesce("source", F.lit("")),
        "champion": F.concat_ws("@", "model", "model_version"),
        "challenger": F.concat_ws("@", "challenger_model", "challenger_version"),
    }
    keys = [column.alias(name) for name, column in named.items()] + [F.col("label"), F.col("challenger_label")]
    sums = [F.sum("score").alias("sum"), F.sum("challenger_score").alias("challenger_sum")]
    found: dict[tuple[Any, ...], Duel] = {}
    for row in both.groupBy(*keys).agg(F.count("*").alias("rows"), *sums).collect():
        names = tuple(row[name] for name in named)
        duel = found.setdefault(names, Duel(*names))
        duel.score_sum += row["sum"]
        duel.challenger_sum += row["challenger_sum"]
        if row["label"] == row["challenger_label"]:
            duel.agreeing += row["rows"]
        else:
            duel.changes[row["label"], row["challenger_label"]] += row["rows"]
    return [found[names] for names in sorted(found)]
