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
    StructType,
)

from textclf.errors import InputError
from textclf.storage.schemas import CHALLENGED, DIGEST, TableSpec
from textclf.storage.warehouse import Location

_KEY = ("id", "source", "ds", "run_id")
"""Columns that say what a row is: rows without them cannot be told apart afterwards, so they are never added."""
_OPTIONAL = (DIGEST.name, *CHALLENGED.fieldNames())
"""Columns of ours that a run may leave empty."""
# A column of the second type holds every value of the first, exactly.
_WIDER: dict[type[DataType], tuple[type[DataType], ...]] = {
    ByteType: (ShortType, IntegerType, LongType),
    ShortType: (IntegerType, LongType),
    IntegerType: (LongType,),
    FloatType: (DoubleType,),
}


def published_columns(spark: SparkSession, place: Location) -> StructType | None:
    """The columns of a published table, None where there is none yet."""
    return place.read(spark).schema if place.exists(spark) else None


def id_type(there: StructType | None, given: DataType) -> DataType:
    """The type that ids of type ``given`` are written as to a table with the columns ``there``.

    That of the table where it holds all of their values exactly; else their own, which ``check_columns`` refuses if
    the table has another.
    """
    found = there["id"].dataType if there is not None and "id" in there.names else None
    return found if found is not None and isinstance(found, _WIDER.get(type(given), ())) else given


def has_digests(there: StructType | None) -> bool:
    """Whether a table has digests of texts."""
    return there is not None and DIGEST.name in there.names


def check_columns(place: Location, there: StructType | None, spec: TableSpec) -> None:
    """Refuse a table that cannot take the columns of ``spec``; one that does not exist yet is fine.

    A column that the table lacks is no hindrance: the commit that publishes adds it, and older rows have null there.

    Args:
        there: The columns that the table has.

    Raises:
        InputError: A column has another type, one that tells rows apart is missing, or the table has a column that
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
            f"The table at {place} has other columns than this run would write.",
            received=", ".join(f"{name} {found.get(name, 'missing')}" for name in refused),
            expected=", ".join(f"{name} {wanted.get(name, 'absent')}" for name in refused),
            fix="write to another table with --output, or to another warehouse; docs/reliability.md has the rules",
        )
