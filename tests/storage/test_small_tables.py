"""Small tables are read in the driver, with the rows that Spark reads and without a Spark job; others by Spark."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import LongType, StringType, StructField, StructType, TimestampType

from tests.spark_jobs import jobs_of
from textclf.storage import Location
from textclf.storage.conditions import of_sources
from textclf.storage.delta_log import known_files
from textclf.storage.queries import small_tables
from textclf.storage.queries.small_tables import MOST_BYTES, small_table, stored_parts

WHEN = datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)
SCHEMA = StructType(
    [
        StructField("source", StringType()),
        StructField("id", LongType()),
        StructField("text", StringType()),
        StructField("at", TimestampType()),
        StructField("later", StringType()),
    ]
)
Rows = list[tuple[Any, ...]]


def rows(spark: SparkSession, source: str | None, numbers: range) -> DataFrame:
    made = [(source, number, f"é {number}", WHEN, None if number % 2 else "x") for number in numbers]
    return spark.createDataFrame(made, SCHEMA).coalesce(1)


def forget(spark: SparkSession) -> None:
    """Let Delta read the log as a new process would."""
    jvm: Any = spark._jvm
    jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


@pytest.fixture
def place(spark: SparkSession, tmp_path: Path) -> Location:
    """A table of odd sources, whose first file lacks a column and has times as Hive writes them."""
    found = Location(path=str(tmp_path / "a table [1]"))
    spark.conf.set("spark.sql.parquet.outputTimestampType", "INT96")
    first = rows(spark, "joe's 100%/ü", range(5)).drop("later")
    first.write.format("delta").partitionBy("source").save(found.path)
    spark.conf.unset("spark.sql.parquet.outputTimestampType")
    # The commit of a new column names no files in its checksum file; the one after it does.
    for source, numbers in ((None, range(5, 9)), ("b", range(9, 12))):
        more = rows(spark, source, numbers)
        more.write.format("delta").mode("append").option("mergeSchema", "true").save(found.path)
    forget(spark)
    return found


def read_here(spark: SparkSession, place: Location, **limits: Any) -> Rows | None:
    found = small_table(spark, place, place.snapshot(spark), SCHEMA, **limits)
    return None if found is None else sorted((tuple(row.values()) for row in found.to_pylist()), key=str)


def read_by_spark(spark: SparkSession, place: Location) -> Rows:
    table = place.read(spark).select(*SCHEMA.names).toArrow()
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=str)


def test_rows_are_those_that_spark_reads(spark: SparkSession, place: Location) -> None:
    found: list[Rows | None] = []
    assert jobs_of(spark, lambda: found.append(read_here(spark, place))) == []
    assert found == [read_by_spark(spark, place)]
    assert found[0] is not None
    assert {row[3] for row in found[0]} == {WHEN}


def test_a_condition_and_a_filter_choose_rows(spark: SparkSession, place: Location) -> None:
    some = read_here(spark, place, condition=of_sources(["b"]), filters=pc.field("id") <= 10)
    assert some == [row for row in read_by_spark(spark, place) if row[0] == "b" and row[1] <= 10] != []


def test_counts_come_from_the_log(spark: SparkSession, place: Location) -> None:
    parts = stored_parts(spark, place.snapshot(spark), of_sources(["joe's 100%/ü", "b"]))
    assert parts is not None
    assert sorted((part.values["source"], part.rows) for part in parts) == [("b", 3), ("joe's 100%/ü", 5)]


def sized(spark: SparkSession, place: Location) -> None:
    spark.range(1 << 21).selectExpr("'big' AS source", "xxhash64(id) AS id").write.format("delta").mode("append").save(
        place.path
    )


def many(spark: SparkSession, place: Location) -> None:
    """Append more than 50 files, which Delta does not name in a checksum file."""
    rows(spark, "m", range(400)).repartition(60).write.format("delta").mode("append").save(place.path)


def marked(spark: SparkSession, place: Location) -> None:
    """Delete a row by a mark beside its file."""
    spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES (delta.enableDeletionVectors = true)")
    spark.sql(f"DELETE FROM delta.`{place}` WHERE id = 1")


def uncounted(spark: SparkSession, place: Location) -> None:
    """Append a file of which the log does not have the number of rows."""
    spark.conf.set("spark.databricks.delta.stats.collect", "false")
    try:
        rows(spark, "u", range(3)).write.format("delta").mode("append").save(place.path)
    finally:
        spark.conf.unset("spark.databricks.delta.stats.collect")


def renamed(spark: SparkSession, place: Location) -> None:
    spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES (delta.columnMapping.mode = 'name')")


def unsummed(spark: SparkSession, place: Location) -> None:
    """Remove the checksum files, which other writers do not make."""
    for path in Path(str(place), "_delta_log").glob("*.crc"):
        path.unlink()


def damaged(spark: SparkSession, place: Location) -> None:
    next(Path(str(place), "source=b").glob("*.parquet")).write_bytes(b"PAR1")


def lost(spark: SparkSession, place: Location) -> None:
    next(Path(str(place), "source=b").glob("*.parquet")).unlink()


@pytest.mark.parametrize("change", [sized, many, marked, uncounted, renamed, unsummed, damaged, lost])
def test_others_are_left_to_spark(
    spark: SparkSession, place: Location, change: Callable[[SparkSession, Location], None]
) -> None:
    change(spark, place)
    forget(spark)
    assert read_here(spark, place) is None


def test_the_limit_is_that_of_all_chosen_files(
    spark: SparkSession, place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = stored_parts(spark, place.snapshot(spark))
    assert parts is not None
    size = sum(part.size for part in parts)
    assert size < MOST_BYTES
    assert read_here(spark, place, most_bytes=size) is not None
    assert read_here(spark, place, most_bytes=size - 1) is None
    assert read_here(spark, place, most_bytes=size - 1, condition=of_sources(["b"])) is not None
    held = small_table(spark, place, place.snapshot(spark), SCHEMA)
    assert held is not None
    for most, read in ((held.nbytes, True), (held.nbytes // 2, False), (100, False)):
        monkeypatch.setattr(small_tables, "MOST_HELD", most)
        assert (read_here(spark, place) is not None) == read
    monkeypatch.setattr(small_tables, "MOST_HELD", held.nbytes)
    for most, read in ((12, True), (11, False)):
        monkeypatch.setattr(small_tables, "MOST_ROWS", most)
        assert (read_here(spark, place) is not None) == read


def test_a_pinned_table_is_read_without_a_search_for_its_files(spark: SparkSession, place: Location) -> None:
    snapshot = place.snapshot(spark)
    assert snapshot is not None
    assert known_files(snapshot) is not None
    pinned = place.pinned(spark, snapshot)
    expected = read_by_spark(spark, place)
    rows(spark, "b", range(100, 103)).write.format("delta").mode("append").save(place.path)

    chosen: list[int] = []
    query = pinned.where("source = 'b'")
    jobs = jobs_of(spark, lambda: chosen.extend(row["id"] for row in query.collect()))

    assert (len(jobs), sorted(chosen)) == (1, [9, 10, 11])
    assert pinned.count() == len(expected)
