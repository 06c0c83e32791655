"""Rules for differing columns: which are accepted, added to a table, or refused."""

import re

import pytest
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from textclf.errors import InputError
from textclf.storage import Location
from textclf.storage.schema_changes import check_columns, id_type
from textclf.storage.schemas import CHALLENGED, DIGEST, results, results_rejects

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


def _declared(name: str, kind: str | None = None, nullable: bool = True) -> StructField:
    return StructField(name, StringType(), nullable, {"__CHAR_VARCHAR_TYPE_STRING": kind} if kind else None)


@pytest.mark.parametrize(
    ("column", "received"),
    [
        (_declared("label", "char(9)"), "label char(9)"),  # readers would get it padded
        (_declared("label", "varchar(9)"), None),  # the rows are checked
        (_declared("source", nullable=False), None),
        (_declared("evidence", nullable=False), "evidence string NOT NULL"),
        (_declared(CHALLENGED.fieldNames()[0], nullable=False), "challenger_label string NOT NULL"),
        (StructField(DIGEST.name, DIGEST.dataType, False), "text_digest binary NOT NULL"),
    ],
)
def test_columns_whose_constraints_no_row_can_meet_are_refused(column: StructField, received: str | None) -> None:
    spec = results(LongType())
    there = StructType([*(field for field in spec.schema if field.name != column.name), column])
    if received is None:
        check_columns(PLACE, there, spec, empty=["evidence"])
    else:
        with pytest.raises(InputError, match="received: " + re.escape(received)):
            check_columns(PLACE, there, spec, empty=["evidence"])


def test_elements_that_must_not_be_null_are_refused_where_they_may_be() -> None:
    ids = StructType([StructField("parts", ArrayType(IntegerType()))])
    strict = StructType([StructField("parts", ArrayType(IntegerType(), False), False)])
    check_columns(PLACE, results_rejects(ids).schema, results_rejects(strict))
    with pytest.raises(InputError, match="received: id struct"):
        check_columns(PLACE, results_rejects(strict).schema, results_rejects(ids))
