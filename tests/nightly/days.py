"""Generated days: labelled files and a table to score; the words of a text determine its label."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

WORDS = {"1": "good great lovely fresh kind", "0": "bad poor awful stale rude"}
"""Enough words for confident models, so that only the shares of the labels drift."""

FILLER = ("the food", "a place", "this film", "our visit", "one evening")
ROWS = 200
"""Number of rows per source and day."""


STEADY = {"shop": 0.5, "films": 0.5}
"""Share of good texts by source on an ordinary day."""


def text(label: str, number: int) -> str:
    return f"{FILLER[number % len(FILLER)]} was {WORDS[label]}"


def write_labelled(path: Path, rows: int) -> None:
    """Write a file of labelled texts; every second one is good."""
    lines = [f"{text(str(number % 2), number)}\t{number % 2}\n" for number in range(rows)]
    path.write_text("".join(lines), encoding="utf-8")


def write_steady_pipeline(folder: Path, search: str = "", score: str = "") -> None:
    """Write ``pipeline.toml`` with the sources of ``STEADY`` and a table ``input`` to score, and the sources' files.

    Args:
        folder: Folder of the pipeline file, the warehouse, the files and the table.
        search, score: More lines of these sections.
    """
    for source in STEADY:
        write_labelled(folder / f"{source}.tsv", 100)
    sources = "".join(
        f'[[sources]]\nname = "{name}"\npath = "{folder / name}.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
        for name in STEADY
    )
    (folder / "pipeline.toml").write_text(
        f'warehouse = "{folder / "warehouse"}"\n{sources}'
        f'[search]\narchitecture = "logistic_regression"\n{search}'
        f'[score]\ninput = "{folder / "input"}"\nsource = "source"\n{score}'
        '[nightly]\nbuild = "train"\npause = 0.0\n[gate]\nmin_rows = 100\n'
    )


def write_day(spark: SparkSession, table: Path, day: date, good: Mapping[str, float], kind: str = "delta") -> None:
    """Write a day's rows into the table, partitioned by day; they replace those that it had.

    Args:
        good: Share of good texts by source.
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
