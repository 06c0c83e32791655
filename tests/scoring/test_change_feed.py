"""What changed in the input after a version: the same slices as a full pass leaves, with less to score."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from delta import DeltaTable
from pyspark.sql import SparkSession

from tests.scoring.passes import ONE_MODEL, ROUTED, publish, table, values
from textclf.artifact import ModelStore
from textclf.config import Pipeline
from textclf.errors import InputError

MakePipeline = Callable[[str], Pipeline]
DAYS = [date(2026, 1, number) for number in (1, 2, 3)]
FEED = "TBLPROPERTIES (delta.enableChangeDataFeed = true)"
GATE = "[gate]\nmax_rejects = 1.0\nmax_unknown = 1.0\n"


@pytest.fixture
def fed(spark: SparkSession, tmp_path: Path) -> Callable[[str], str]:
    """An empty Delta table with a change data feed; its path."""

    def made(columns: str) -> str:
        path = str(tmp_path / "fed")
        spark.sql(f"CREATE TABLE delta.`{path}` ({columns}) USING delta {FEED}")
        return path

    return made


@pytest.mark.long
def test_without_days_the_rows_that_changed_are_the_slice(
    spark: SparkSession, make_pipeline: MakePipeline, store: ModelStore, fed: Callable[[str], str]
) -> None:
    path, pipeline = fed("id long, text string"), make_pipeline(ONE_MODEL + 'since = "last"\n' + GATE)
    spark.sql(f"INSERT INTO delta.`{path}` VALUES (1, 'good'), (2, 'bad'), (3, 'food'), (NULL, 'good')")
    first = publish(spark, pipeline, path, day=DAYS[0])
    assert (first.input_rows, first.input_version, first.details["since"]) == (4, 1, None)

    spark.sql(f"INSERT INTO delta.`{path}` VALUES (4, 'bad'), (2, 'again'), (5, 'gone')")
    rows = DeltaTable.forPath(spark, path)
    rows.update("id = 1", {"text": "'the food'"})
    rows.delete("id = 5")
    run = publish(spark, pipeline, path, day=DAYS[1])
    assert (run.input_version, run.details["since"]) == (4, 1)
    # Of an id that occurs twice both rows are scored: nothing says which of them is new.
    assert values(table(spark, pipeline).where("ds = '2026-01-02'"), "id") == [(1,), (2,), (2,), (4,)]

    spark.sql(f"INSERT INTO delta.`{path}` VALUES (6, 'bad')")
    run = publish(spark, pipeline, path, day=DAYS[1])  # the same day again: all of it, not only what came since
    assert (run.input_rows, run.details["since"]) == (5, 1)
    assert publish(spark, pipeline, path, day=DAYS[2]).input_rows == 0
    assert table(spark, pipeline).where("ds = '2026-01-01'").count() == 3


def test_with_days_those_with_a_change_are_scored_whole(
    spark: SparkSession, make_pipeline: MakePipeline, store: ModelStore, fed: Callable[[str], str]
) -> None:
    path, pipeline = fed("id long, text string, source string, ds date"), make_pipeline(ROUTED + GATE)
    values_ = ", ".join(f"({day.day * 10 + n}, 'good', 'yelp', DATE '{day}')" for day in DAYS for n in range(3))
    spark.sql(f"INSERT INTO delta.`{path}` VALUES {values_}")
    publish(spark, pipeline, path, since="last")
    rows = DeltaTable.forPath(spark, path)
    rows.delete("id = 10")
    rows.update("id = 21", {"text": "'bad'"})

    run = publish(spark, pipeline, path, since="last")

    assert (run.input_rows, run.scored_rows, run.details["since"]) == (5, 5, 1)
    found = values(table(spark, pipeline).where(f"run_id = '{run.run_id}'"), "id")
    assert found == [(11,), (12,), (20,), (21,), (22,)]
    assert table(spark, pipeline).count() == 8
    assert publish(spark, pipeline, path, since="last", day=DAYS[0]).input_rows == 0
    assert publish(spark, pipeline, path, since=1, day=DAYS[0]).input_rows == 2


def test_an_input_that_cannot_tell_says_so(
    spark: SparkSession, make_pipeline: MakePipeline, store: ModelStore, write: Callable[..., str]
) -> None:
    pipeline = make_pipeline(ONE_MODEL)

    def message(path: str, since: Any) -> str:
        with pytest.raises(InputError) as error:
            publish(spark, pipeline, path, day=DAYS[0], since=since)
        return str(error.value)

    rows, schema = [(1, "good")], "id long, text string"
    assert "are known of Delta tables only" in message(write(rows, schema, "parquet", name="parquet"), "last")
    path = write(rows, schema)
    assert "at most 0, the newest version" in message(path, 7)
    spark.sql(f"INSERT INTO delta.`{path}` VALUES (2, 'bad')")
    assert "delta.enableChangeDataFeed is not set" in message(path, 0)
    spark.sql(f"ALTER TABLE delta.`{path}` SET {FEED}")
    spark.sql(f"INSERT INTO delta.`{path}` VALUES (3, 'bad')")
    assert "from version 1 to 3" in message(path, 0)  # version 1 was written without a feed
    assert publish(spark, pipeline, path, day=DAYS[0], since=2).scored_rows == 1
