"""The SQL that a message suggests for renaming published sources."""

import re

from pyspark.sql import SparkSession

from textclf.storage.files.folder_names import moves
from textclf.storage.warehouse import Location

NAMES = {"007": "7", "1.50": "1.5", "it's": "o'ne", "a\\b": "\\", "line\nfeed": "${x}", "2.0": "2"}
"""Old names by new names; Spark would not infer most of them, but a literal can hold any."""


def test_the_statements_of_a_message_rename_each_tables_sources(spark: SparkSession) -> None:
    results, rejects = Location(path="/w/results"), Location(name="shop.rejects")
    said = moves(NAMES, {results: list(NAMES.values()), rejects: ["7", "12"], Location(path="/w/other"): []})
    first, second = said.removeprefix("run ").split("; ")
    assert second == "UPDATE shop.rejects SET source = CASE source WHEN '7' THEN '007' END WHERE source IN ('7')"
    found = re.fullmatch(
        r"UPDATE delta\.`/w/results` SET source = (CASE source .* END) WHERE (source IN \(.*\))", first
    )
    assert found is not None
    rows = spark.createDataFrame([(value,) for value in [*NAMES.values(), "other"]], "source string")
    moved = rows.where(found[2]).selectExpr("source", f"{found[1]} AS new").collect()
    assert {row["new"]: row["source"] for row in moved} == NAMES


def test_sources_that_one_old_name_is_of_are_not_renamed() -> None:
    place = Location(path="/w/results")
    assert "UPDATE" not in moves({"007": "7", "07": "7"}, {place: ["7"]})
