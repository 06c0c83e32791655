"""Scoring only the input's changes since a version gives the slices of a full pass."""

from datetime import date
from typing import Any

import pytest
from delta import DeltaTable
from pyspark.sql import SparkSession

from tests.scoring.scoring import ONE_MODEL, OPEN_GATE, ROUTED, Scoring, values
from textclf.errors import InputError

DAYS = [date(2026, 1, number) for number in (1, 2, 3)]
FEED = "TBLPROPERTIES (delta.enableChangeDataFeed = true)"


def fed(scoring: Scoring, columns: str) -> str:
    """Create an empty Delta table with a change data feed, and return its path."""
    path = str(scoring.folder / "fed")
    scoring.spark.sql(f"CREATE TABLE delta.`{path}` ({columns}) USING delta {FEED}")
    return path


@pytest.mark.long
def test_without_days_the_rows_that_changed_are_the_slice(spark: SparkSession, scoring: Scoring) -> None:
    path = fed(scoring, "id long, text string")
    scoring.configure(ONE_MODEL + 'since = "last"\n' + OPEN_GATE)
    spark.sql(f"INSERT INTO delta.`{path}` VALUES (1, 'good'), (2, 'bad'), (3, 'food'), (NULL, 'good')")
    first = scoring.publish(path, day=DAYS[0])
    assert (first.input_rows, first.input_version, first.details["since"]) == (4, 1, None)

    spark.sql(f"INSERT INTO delta.`{path}` VALUES (4, 'bad'), (2, 'again'), (5, 'gone')")
    rows = DeltaTable.forPath(spark, path)
    rows.update("id = 1", {"text": "'the food'"})
    rows.delete("id = 5")
    run = scoring.publish(path, day=DAYS[1])
    assert (run.input_version, run.details["since"]) == (4, 1)
    # Both rows of a repeated id are scored: it is unknown which of them is new.
    assert values(scoring.results.where("ds = '2026-01-02'"), "id") == [(1,), (2,), (2,), (4,)]

    spark.sql(f"INSERT INTO delta.`{path}` VALUES (6, 'bad')")
    run = scoring.publish(path, day=DAYS[1])  # the same day again: all its rows, not only the newest
    assert (run.input_rows, run.details["since"]) == (5, 1)
    assert scoring.publish(path, day=DAYS[2]).input_rows == 0
    assert scoring.results.where("ds = '2026-01-01'").count() == 3


def test_with_days_those_with_a_change_are_scored_whole(spark: SparkSession, scoring: Scoring) -> None:
    path = fed(scoring, "id long, text string, source string, ds date")
    scoring.configure(ROUTED + OPEN_GATE)
    values_ = ", ".join(f"({day.day * 10 + n}, 'good', 'yelp', DATE '{day}')" for day in DAYS for n in range(3))
    spark.sql(f"INSERT INTO delta.`{path}` VALUES {values_}")
    scoring.publish(path, since="last")
    rows = DeltaTable.forPath(spark, path)
    rows.delete("id = 10")
    rows.update("id = 21", {"text": "'bad'"})

    run = scoring.publish(path, since="last")

    assert (run.input_rows, run.scored_rows, run.details["since"]) == (5, 5, 1)
    found = values(scoring.results.where(f"run_id = '{run.run_id}'"), "id")
    assert found == [(11,), (12,), (20,), (21,), (22,)]
    assert scoring.results.count() == 8
    assert scoring.publish(path, since="last", day=DAYS[0]).input_rows == 0
    assert scoring.publish(path, since=1, day=DAYS[0]).input_rows == 2


def test_an_input_that_cannot_tell_says_so(spark: SparkSession, scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL)

    def message(path: str, since: Any) -> str:
        with pytest.raises(InputError) as error:
            scoring.publish(path, day=DAYS[0], since=since)
        return str(error.value)

    rows, schema = [(1, "good")], "id long, text string"
    assert "are known of Delta tables only" in message(scoring.write(rows, schema, "parquet", name="parquet"), "last")
    path = scoring.write(rows, schema)
    assert "at most 0, the newest version" in message(path, 7)
    spark.sql(f"INSERT INTO delta.`{path}` VALUES (2, 'bad')")
    assert "delta.enableChangeDataFeed is not set" in message(path, 0)
    spark.sql(f"ALTER TABLE delta.`{path}` SET {FEED}")
    spark.sql(f"INSERT INTO delta.`{path}` VALUES (3, 'bad')")
    assert "from version 1 to 3" in message(path, 0)  # version 1 was written without a feed
    assert scoring.publish(path, day=DAYS[0], since=2).scored_rows == 1
