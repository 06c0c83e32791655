"""Columns that differ between what a run would write and what a published table has: accepted, added or refused."""

from pyspark.sql import SparkSession
from pyspark.sql.types import (
    ByteType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StructField,
)

from textclf.errors import InputError
from textclf.tables.schemas import DIGEST, TableSpec
from textclf.tables.warehouse import Location

_KEY = ("id", "source", "ds", "run_id")
"""Columns that say what a row is: rows without them cannot be told apart afterwards, so they are never added."""
_OPTIONAL = (DIGEST.name,)
"""Columns of ours that a run may leave empty."""
# A column of the second type holds every value of the first, exactly.
_WIDER: dict[type[DataType], tuple[type[DataType], ...]] = {
    ByteType: (ShortType, IntegerType, LongType),
    ShortType: (IntegerType, LongType),
    IntegerType: (LongType,),
    FloatType: (DoubleType,),
}


def column_of(spark: SparkSession, place: Location, name: str) -> StructField | None:
    """A column of a published table; None where there is no such table or column."""
    if not place.exists(spark):
        return None
    return next((field for field in place.read(spark).schema if field.name == name), None)


def id_type(spark: SparkSession, place: Location, given: DataType) -> DataType:
    """The type that ids of type ``given`` are written as.

    That of the published table where it holds all of their values exactly; else their own, which ``check_columns``
    refuses if the table has another.
    """
    found = column_of(spark, place, "id")
    if found is not None and isinstance(found.dataType, _WIDER.get(type(given), ())):
        return found.dataType
    return given


def check_columns(spark: SparkSession, place: Location, spec: TableSpec) -> None:
    """Refuse a table that cannot take the columns of ``spec``; one that does not exist yet is fine.

    A column that the table lacks is no hindrance: the commit that publishes adds it, and older rows have null there.

    Raises:
        InputError: A column has another type, one that tells rows apart is missing, or the table has a column that
            the rows would leave empty.
    """
    if not place.exists(spark):
        return
    found = {field.name: field.dataType.simpleString() for field in place.read(spark).schema}
    wanted = {field.name: field.dataType.simpleString() for field in spec.schema}
    refused = [name for name, kind in wanted.items() if found.get(name, "" if name in _KEY else kind) != kind]
    refused += [name for name in found if name not in wanted and name not in _OPTIONAL]
    if refused:
        raise InputError(
            f"The table at {place} has other columns than this run would write.",
            received=", ".join(f"{name} {found.get(name, 'missing')}" for name in refused),
            expected=", ".join(f"{name} {wanted.get(name, 'absent')}" for name in refused),
            fix="write to another table with --output, or to another warehouse; docs/reliability.md has the rules",
        )
