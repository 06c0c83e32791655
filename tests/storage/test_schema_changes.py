"""Rules for differing columns: which are accepted, added to a table, or refused."""

import pytest
from pyspark.sql.types import (
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructType,
)

from textclf.errors import InputError
from textclf.storage import Location
from textclf.storage.schema_changes import check_columns, id_type
from textclf.storage.schemas import results, results_rejects

PLACE = Location(path="/warehouse/results")


@pytest.mark.parametrize(
    ("given", "there", "expected"),
    [
        (IntegerType(), LongType(), LongType()),
        (FloatType(), DoubleType(), DoubleType()),
        (LongType(), IntegerType(), LongType()),  # would lose values
        (LongType(), StringType(), LongType()),
        (LongType(), DecimalType(20, 0), LongType()),
        (IntegerType(), FloatType(), IntegerType()),  # a float cannot represent every integer
    ],
)
def test_ids_take_the_type_of_the_table_where_it_holds_them_all(
    given: DataType, there: DataType, expected: DataType
) -> None:
    assert id_type(None, given) == given  # no table yet
    columns = results_rejects(there).schema
    assert id_type(columns, given) == expected
    spec = results_rejects(expected)
    if expected == there:
        check_columns(PLACE, columns, spec)
    else:
        with pytest.raises(InputError) as error:
            check_columns(PLACE, columns, spec)
        assert f"received: id {there.simpleString()}" in str(error.value)
        assert f"expected: id {given.simpleString()}" in str(error.value)


@pytest.mark.parametrize(
    ("more", "less", "received"),
    [
        ("note", None, "note string"),
        (None, "run_id", "run_id missing"),
        (None, "evidence", None),  # added by the publishing commit
        ("text_digest", None, None),  # left empty
    ],
)
def test_a_column_more_or_less(more: str | None, less: str | None, received: str | None) -> None:
    spec = results(LongType())
    there = StructType([field for field in spec.schema if field.name != less])
    if more:
        there = there.add(more, "string")
    if received is None:
        check_columns(PLACE, there, spec)
    else:
        with pytest.raises(InputError, match=f"received: {received}"):
            check_columns(PLACE, there, spec)
