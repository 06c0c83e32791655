"""Generated days: labelled files and a table to score whose labels its words give away."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

WORDS = {"1": "good great lovely fresh kind", "0": "bad poor awful stale rude"}
"""Words enough that every model is sure: what drifts is how often each label occurs."""

FILLER = ("the food", "a place", "this film", "our visit", "one evening")
ROWS = 200
"""Of a source and day."""


STEADY = {"shop": 0.5, "films": 0.5}
"""Share of good texts by source, on a day like any other."""


def text(label: str, number: int) -> str:
    return f"{FILLER[number % len(FILLER)]} was {WORDS[label]}"


def write_labelled(path: Path, rows: int) -> None:
    """A file of labelled texts, every other one good."""
    lines = [f"{text(str(number % 2), number)}\t{number % 2}\n" for number in range(rows)]
    path.write_text("".join(lines), encoding="utf-8")


def write_day(spark: SparkSession, table: Path, day: date, good: Mapping[str, float], kind: str = "delta") -> None:
    """Put a day's rows into the table, partitioned by day, in the place of those that it had.

    Args:
        good: By source, the share of good texts.
        kind: ``delta`` or ``parquet``.
    """
    rows = [
        (day.toordinal() * 1000 + at * ROWS + number, text("1" if number < share * ROWS else "0", number), source, day)
        for at, (source, share) in enumerate(good.items())
        for number in range(ROWS)
    ]
    frame = spark.createDataFrame(rows, "id long, text string, source string, ds date").coalesce(1)
    if kind == "parquet":
        frame.drop("ds").write.mode("overwrite").parquet(f"{table}/ds={day}")
        return
    writer = frame.write.format("delta").partitionBy("ds").mode("overwrite" if table.exists() else "error")
    (writer.option("replaceWhere", f"ds = '{day}'") if table.exists() else writer).save(str(table))
