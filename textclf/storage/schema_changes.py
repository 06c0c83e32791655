"""Compare the columns that a run would write with those of a published table: accept, add or refuse them."""

from pyspark.sql import SparkSession
from pyspark.sql.types import (
    ByteType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StructType,
)

from textclf.errors import InputError
from textclf.storage.schemas import CHALLENGED, DIGEST, TableSpec
from textclf.storage.warehouse import Location

_KEY = ("id", "source", "ds", "run_id")
"""Columns that identify a row. They are never added to a table: rows without them cannot be told apart."""
_OPTIONAL = (DIGEST.name, *CHALLENGED.fieldNames())
"""Columns that a run may leave empty."""
# Types that hold every value of the key's type exactly.
_WIDER: dict[type[DataType], tuple[type[DataType], ...]] = {
    ByteType: (ShortType, IntegerType, LongType),
    ShortType: (IntegerType, LongType),
    IntegerType: (LongType,),
    FloatType: (DoubleType,),
}


def published_columns(spark: SparkSession, place: Location) -> StructType | None:
    """Return the columns of a published table, or None if there is no table yet."""
    return place.read(spark).schema if place.exists(spark) else None


def id_type(there: StructType | None, given: DataType) -> DataType:
    """Return the type in which ids are written to a table.

    This is the table's type if it holds all values of the ids exactly. Otherwise it is the ids' own type, which
    ``check_columns`` refuses if the table has another.

    Args:
        there: Columns of the table; None if there is no table yet.
        given: Type of the ids.
    """
    found = there["id"].dataType if there is not None and "id" in there.names else None
    return found if found is not None and isinstance(found, _WIDER.get(type(given), ())) else given


def has_digests(there: StructType | None) -> bool:
    """Whether a table has digests of texts."""
    return there is not None and DIGEST.name in there.names


def check_columns(place: Location, there: StructType | None, spec: TableSpec) -> None:
    """Refuse a table that cannot take the columns of ``spec``; a missing table is accepted.

    The table may lack columns: the commit that publishes adds them, with null in older rows.

    Args:
        place: Location of the table, for the message.
        there: Columns of the table; None if there is no table yet.
        spec: Specification of the rows to write.

    Raises:
        InputError: A column has another type, a column that identifies rows is missing, or the table has a column that
            the rows would leave empty.
    """
    if there is None:
        return
    found = {field.name: field.dataType.simpleString() for field in there}
    wanted = {field.name: field.dataType.simpleString() for field in spec.schema}
    refused = [name for name, kind in wanted.items() if found.get(name, "" if name in _KEY else kind) != kind]
    refused += [name for name in found if name not in wanted and name not in _OPTIONAL]
    if refused:
        raise InputError(
            f"The table at {place} has different columns from those that this run would write.",
            received=", ".join(f"{name} {found.get(name, 'missing')}" for name in refused),
            expected=", ".join(f"{name} {wanted.get(name, 'absent')}" for name in refused),
            fix="write to another table with --output, or to another warehouse; docs/reliability.md has the rules",
        )
