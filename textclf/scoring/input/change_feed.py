"""The part of an input that changed after a version, from the change data feed of a Delta table."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from textclf.common.secrets import written_forms
from textclf.config import Score
from textclf.errors import InputError
from textclf.runs.history import Publication
from textclf.scoring.input.day_values import lit_day
from textclf.scoring.input.table import InputTable
from textclf.spark.failures import READ_FAILURES, unreadable

LAST: Literal["last"] = "last"
Since = int | Literal["last"]
FEED = "delta.enableChangeDataFeed"
_THERE = ("insert", "update_postimage")
"""Change types after which the row is in the table."""


@dataclass(frozen=True)
class Changes:
    """The changes of a table between two versions.

    Attributes:
        table: The table, pinned to the last version.
        since: The version after which the changes begin.
    """

    table: InputTable
    since: int

    def of_days(self, spark: SparkSession, name: str) -> InputTable:
        """Return all rows of the days with a change, removals included: slices are replaced whole."""
        column = self.table.day(name)
        days = [row["day"] for row in self._feed(spark).select(column.alias("day")).distinct().collect()]
        touched = self.table.unchecked_day(name).isin([lit_day(day) for day in days if day is not None])
        if None in days:
            touched |= column.isNull()
        return replace(self.table, rows=self.table.rows.where(touched if days else F.lit(False)))

    def of_rows(self, spark: SparkSession, name: str) -> InputTable:
        """Return the rows whose id was inserted or updated; ids need not be unique."""
        there = self._feed(spark).where(F.col("_change_type").isin(*_THERE))
        changed = there.select(self.table.column(name, "id").alias("changed")).distinct()
        rows = self.table.rows
        same = self.table.column(name, "id").eqNullSafe(F.col("changed"))
        return replace(self.table, rows=rows.join(changed, same, "left_semi"))

    def _feed(self, spark: SparkSession) -> DataFrame:
        table = self.table
        reader = spark.read.format("delta").option("readChangeFeed", "true")
        reader = reader.option("startingVersion", self.since + 1).option("endingVersion", table.version)
        try:
            found = reader.load(table.place.path) if table.place.path else reader.table(table.place.name or "")
            found.isEmpty()  # a missing feed shows only when it is read
        except READ_FAILURES as error:
            received = unreadable(error)
            if received is None:
                raise
            raise _unreadable(table, self.since, received) from error
        return found


def changed_since(
    spark: SparkSession,
    table: InputTable,
    score: Score,
    wanted: Since,
    day: date | None,
    published: Iterable[Publication],
) -> tuple[InputTable, int | None]:
    """Return the part of a table that changed after a version, and that version.

    With a date column, that is all rows of the days that have a change; without one, the changed rows.

    Args:
        spark: Session to read with.
        table: The input.
        score: Section ``[score]`` of the pipeline file.
        wanted: The version, or ``last``: the version read by the newest publication of the same input that covers
            what is asked for now. If there is none, the table is returned as it is, with None.
        day: Day of the run. With a date column, the day whose rows are scored, None for all; without one, the day of
            all rows.
        published: Publications, newest first.

    Raises:
        InputError: The input is not a Delta table, has no change data feed for these versions, or has not reached
            the version yet.
    """
    if table.version is None:
        raise InputError(
            "Changes since a version are known of Delta tables only.",
            received=f"since = {wanted!r}, and a table of another format at {table.place}",
            expected="a Delta table with a change data feed",
            fix="score without since under [score] and without --since",
        )
    since = _last(table, published, day, dated=score.date is not None) if wanted == LAST else wanted
    if since is None:
        return table, None
    if since > table.version:
        raise InputError(
            "The input has no such version yet.",
            received=f"since = {since}",
            expected=f"at most {table.version}, the newest version of {table.place}",
            fix="give an earlier version; if the table was created again, score it once without since",
        )
    if since == table.version:
        return replace(table, rows=table.rows.where(F.lit(False))), since
    _check_feed(spark, table)
    changes = Changes(table, since)
    return (changes.of_days(spark, score.date) if score.date else changes.of_rows(spark, score.id)), since


def _last(table: InputTable, published: Iterable[Publication], day: date | None, *, dated: bool) -> int | None:
    """Return the version read by the newest publication after which only newer changes remain to be scored."""
    here = written_forms(str(table.place))
    for publication in published:
        if publication.input not in here or publication.limited or publication.input_version is None:
            continue
        if dated:  # a run of all days or of this day
            covers = publication.day is None or publication.day == day
        else:  # a run of an earlier day: this day's slice is replaced, so its earlier changes are needed again
            covers = publication.day is not None and day is not None and publication.day < day
        if covers:
            return publication.input_version
    return None


def _check_feed(spark: SparkSession, table: InputTable) -> None:
    properties = table.place.delta(spark).detail().select("properties").collect()[0]["properties"]
    if properties.get(FEED, "").lower() != "true":
        raise _unreadable(table, None, f"{FEED} is not set")


def _unreadable(table: InputTable, since: int | None, received: str) -> InputError:
    return InputError(
        "The changes of the input cannot be read.",
        received=received,
        expected=f"a change data feed of {table.place}"
        + ("" if since is None else f" from version {since + 1} to {table.version}"),
        fix=f"enable it with ALTER TABLE ... SET TBLPROPERTIES ({FEED} = true), which applies to later versions; "
        "until then score without since",
    )
