"""Tables at any path, and tables that must not lose a row."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from textclf.errors import InputError, UsageError
from textclf.storage import Location
from textclf.storage.append_only import APPEND_ONLY, check_replaceable
from textclf.storage.conditions import of_sources
from textclf.storage.schemas import VOCABULARY

ODD = "${env:HOME} it's [x]{y,z}*? 100%41 #1 back\\slash\ntwo é😀"


def test_a_table_is_where_its_path_says(spark: SparkSession, tmp_path: Path) -> None:
    spark.conf.set("spark.sql.variable.substitute", "true")  # as in a session opened by other code
    try:
        place = Location(path=str(tmp_path / ODD / "vocabulary"))
        assert place.ensure(spark, VOCABULARY)
        assert not place.ensure(spark, VOCABULARY)
        rows = spark.createDataFrame([("s", 1, "good", 5)], VOCABULARY.schema).coalesce(1)
        for _ in range(2):
            place.replace(rows, VOCABULARY, of_sources(["s"]))
        place.append(rows)
        place.delta(spark).optimize().executeCompaction()
        assert place.read(spark).count() == 2
        assert place.version(spark) == 4
    finally:
        spark.conf.set("spark.sql.variable.substitute", "false")
    assert [each.name for each in tmp_path.iterdir()] == [ODD]
    details = place.delta(spark).detail().collect()[0]
    assert (details["partitionColumns"], details["properties"]) == (["source"], VOCABULARY.properties)


def test_what_delta_would_parse_is_refused() -> None:
    with pytest.raises(UsageError, match="contains a variable"):
        Location(name="db.${env:HOME}")
    with pytest.raises(UsageError, match="contains a backtick"):
        Location(path="/a`b")


def test_an_append_only_table_is_refused_before_anything_is_written(spark: SparkSession, tmp_path: Path) -> None:
    place, other = (Location(path=str(tmp_path / name)) for name in ("vocabulary", "other"))
    check_replaceable(spark, place)  # the table does not exist yet
    for each in (place, other):
        each.ensure(spark, VOCABULARY)
    check_replaceable(spark, place, other)
    spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ({APPEND_ONLY} = true)")
    with pytest.raises(InputError, match="is append-only") as error:
        check_replaceable(spark, other, place)
    assert f"{APPEND_ONLY} = true on {place}\n" in str(error.value)
    assert "SET TBLPROPERTIES" in str(error.value)


def test_an_append_only_table_of_the_catalog_is_refused(spark: SparkSession) -> None:
    spark.sql("CREATE DATABASE IF NOT EXISTS appended")
    try:
        place = Location(name="appended.vocabulary")
        check_replaceable(spark, place)
        assert place.ensure(spark, VOCABULARY)
        check_replaceable(spark, place)
        spark.sql(f"ALTER TABLE {place} SET TBLPROPERTIES ({APPEND_ONLY} = true)")
        with pytest.raises(InputError, match="is append-only"):
            check_replaceable(spark, place)
    finally:
        spark.sql("DROP DATABASE appended CASCADE")
