"""The rules for columns that differ: what is accepted, what is added to a table, what is refused."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import DataType, DecimalType, DoubleType, FloatType, IntegerType, LongType, StringType

from textclf.errors import InputError
from textclf.tables import Location
from textclf.tables.columns import check_columns, id_type
from textclf.tables.schemas import results, results_rejects


@pytest.fixture
def place(tmp_path: Path) -> Location:
    return Location(path=str(tmp_path / "table"))


@pytest.mark.parametrize(
    ("given", "there", "expected"),
    [
        (IntegerType(), LongType(), LongType()),
        (FloatType(), DoubleType(), DoubleType()),
        (LongType(), IntegerType(), LongType()),  # would lose values
        (LongType(), StringType(), LongType()),
        (LongType(), DecimalType(20, 0), LongType()),
        (IntegerType(), FloatType(), IntegerType()),  # floats hold not every integer
    ],
)
def test_ids_take_the_type_of_the_table_where_it_holds_them_all(
    spark: SparkSession, place: Location, given: DataType, there: DataType, expected: DataType
) -> None:
    assert id_type(spark, place, given) == given  # no table yet
    place.ensure(spark, results_rejects(there))
    assert id_type(spark, place, given) == expected
    spec = results_rejects(id_type(spark, place, given))
    if expected == there:
        check_columns(spark, place, spec)
    else:
        with pytest.raises(InputError) as error:
            check_columns(spark, place, spec)
        assert f"received: id {there.simpleString()}" in str(error.value)
        assert f"expected: id {given.simpleString()}" in str(error.value)


@pytest.mark.parametrize(
    ("change", "received"),
    [
        ("ADD COLUMN note string", "note string"),
        ("DROP COLUMN run_id", "run_id missing"),
        ("DROP COLUMN evidence", None),
        ("ADD COLUMN text_digest binary", None),
    ],
)
def test_a_column_more_or_less(spark: SparkSession, place: Location, change: str, received: str | None) -> None:
    place.ensure(spark, results(LongType()))
    if change.startswith("DROP"):
        spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    spark.sql(f"ALTER TABLE delta.`{place}` {change}")
    if received is None:
        check_columns(spark, place, results(LongType()))
    else:
        with pytest.raises(InputError, match=f"received: {received}"):
            check_columns(spark, place, results(LongType()))
