"""Conditions select exactly their rows, for any values and any parser settings of the session."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from tests.storage.hostile import SOURCES
from textclf.storage import Location
from textclf.storage.conditions import EVERYTHING, NOTHING, Condition, of_sources
from textclf.storage.delta_log import log_of, none
from textclf.storage.file_commit import _files
from textclf.storage.publish import Slice, of_slices, replace_slices
from textclf.storage.schemas import TableSpec

DAY, OTHER = date(1, 1, 1), date(9999, 12, 31)
COLUMNS = "id long, ds date, source string, run_id string"
EACH = (*SOURCES, None)
SETTINGS = (
    {"spark.sql.variable.substitute": "true"},
    {"spark.sql.variable.substitute": "true", "spark.sql.parser.escapedStringLiterals": "true"},
    {"spark.sql.ansi.enabled": "false"},
    {"spark.sql.ansi.enabled": "true", "spark.sql.ansi.doubleQuotedIdentifiers": "true"},
)


@contextmanager
def settings(spark: SparkSession, values: dict[str, str]) -> Iterator[None]:
    before = {name: spark.conf.get(name) for name in values}
    for name, value in values.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, old in before.items():
            spark.conf.set(name, str(old))


@pytest.mark.parametrize("given", SETTINGS)
def test_in_each_of_its_forms_a_condition_holds_for_its_own_source_alone(
    spark: SparkSession, given: dict[str, str]
) -> None:
    jvm: Any = spark._jvm
    of_expression = jvm.org.apache.spark.sql.classic.ExpressionUtils.column
    with settings(spark, given):
        rows = spark.createDataFrame([(at, source) for at, source in enumerate(EACH)], "id long, source string")
        each = [Condition(({"source": [source]},)) for source in EACH]
        columns = [F.coalesce(one.column, F.lit(False)) for one in each]
        texts = [F.coalesce(F.expr(one.text), F.lit(False)) for one in each]
        expressions = [F.coalesce(Column(of_expression(one.expression(spark))), F.lit(False)) for one in each]
        forms = {"columns": columns, "texts": texts, "expressions": expressions}
        picked = rows.select("id", *(F.array(*form).alias(name) for name, form in forms.items())).collect()
    for row in picked:
        alone = [at == row["id"] for at in range(len(EACH))]
        assert {name: row[name] for name in forms} == dict.fromkeys(forms, alone), EACH[row["id"]]


def test_no_character_of_a_value_is_in_the_text(spark: SparkSession) -> None:
    text = of_sources(SOURCES).text
    assert set(text) <= set("0123456789ABCDEF (),'CASTXINsourceASTRING")
    assert "$" not in text
    with pytest.raises(ValueError, match="is not an identifier"):
        Condition(({"source` OR true": ["a"]},))


def test_slices_of_a_table_are_replaced_and_removed_one_by_one(spark: SparkSession, tmp_path: Path) -> None:
    """Delta's transactions take the expression and its writer takes the text; neither touches other slices."""
    place = Location(path=str(tmp_path / "published"))
    spec = TableSpec("published", spark.createDataFrame([], COLUMNS).schema, ("ds", "source"))

    def rows(run: str, *days: date | None) -> list[tuple[object, ...]]:
        return [(at, day, source, run) for day in days for at, source in enumerate(EACH)]

    old = rows("old", DAY) + rows("old", OTHER, None)[:5]
    place.replace(spark.createDataFrame(old, COLUMNS).coalesce(1), spec, EVERYTHING)
    transaction = log_of(spark, str(place)).startTransaction(none(spark), none(spark))
    for source in ("${env:HOME}", "it's", "two\nlines", None):
        (file,) = _files(spark, transaction, of_slices([Slice(DAY, source), Slice(OTHER, "nobody")]))
        values = file.partitionValues()
        assert (values.apply("ds"), values.apply("source")) == (DAY.isoformat(), source)
    assert len(_files(spark, transaction, EVERYTHING)) == len(old)
    assert _files(spark, transaction, NOTHING) == []

    with settings(spark, SETTINGS[1]):
        slices = [Slice(DAY, source) for source in EACH]
        for run in ("first", "second"):  # one source has no rows any more, and none of another replace them
            made = [row for row in rows(run, DAY) if row[2] != "${env:HOME}"]
            replace_slices(place, spark.createDataFrame(made, COLUMNS).coalesce(1), spec, slices)
    found = sorted(map(tuple, place.read(spark).collect()), key=repr)
    assert found == sorted([*made, *(row for row in old if row[1] != DAY)], key=repr)
