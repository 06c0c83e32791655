"""Compare what a run would write with a published table: columns are accepted, added or refused, rows are checked.

Delta's own writer checks a table's constraints (NOT NULL, lengths of VARCHAR columns, CHECK), but only when the table
is written: the other table of a run may have its rows by then. So staged rows are checked before the first commit.
``commit_retry.refused_by`` tells in the same words what Delta finds after that.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    ByteType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    ShortType,
    StructField,
    StructType,
)

from textclf.common.java_classes import JavaClasses
from textclf.errors import InputError
from textclf.storage.commit_retry import broken_constraints
from textclf.storage.delta_log import listed
from textclf.storage.schemas import CHALLENGED, DIGEST, TableSpec
from textclf.storage.warehouse import Location

_KEY = ("id", "source", "ds", "run_id")
"""Columns that identify a row. They are never added to a table: rows without them cannot be told apart."""
_OPTIONAL = (DIGEST.name, *CHALLENGED.fieldNames())
"""Columns that a run may leave empty."""
_DECLARED = "__CHAR_VARCHAR_TYPE_STRING"  # Spark's key of a column's metadata; the column's type is then string
_LENGTH = "__CHAR_VARCHAR_STRING_LENGTH_CHECK__"  # Delta's name for the lengths of all columns
_PADDED = re.compile(r"\bchar\(")
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


def check_columns(place: Location, there: StructType | None, spec: TableSpec, empty: Collection[str] = ()) -> None:
    """Refuse a table that cannot take the columns of ``spec``; a missing table is accepted.

    The table may lack columns: the commit that publishes adds them, with null in older rows. Columns that are NOT NULL
    or VARCHAR are accepted where rows can meet that: ``check_rows`` checks the rows before they are
    published.

    Args:
        place: Location of the table, for the message.
        there: Columns of the table; None if there is no table yet.
        spec: Specification of the rows to write.
        empty: Columns of ``spec`` that are null in every row.

    Raises:
        InputError: A column has another type, a column that identifies rows is missing, or the table has a column that
            the rows would leave empty and that is none of ours or NOT NULL.
    """
    if there is None:
        return
    found, wanted = {field.name: field for field in there}, {field.name: field for field in spec.schema}
    refused = [name for name in wanted if name not in found and name in _KEY]
    refused += [name for name, field in found.items() if name in wanted and not _takes(field, wanted[name])]
    refused += [name for name in found if name not in wanted and name not in _OPTIONAL]
    required = [name for name, field in found.items() if not field.nullable]
    refused += [name for name in required if name in empty or (name not in wanted and name in _OPTIONAL)]
    if refused:
        raise InputError(
            f"The table at {place} has different columns from those that this run would write.",
            received=", ".join(_declared(found[name]) if name in found else f"{name} missing" for name in refused),
            expected=", ".join(_declared(wanted[name]) if name in wanted else f"{name} absent" for name in refused),
            fix="write to another table with --output, or to another warehouse; docs/reliability.md has the rules",
        )


def has_constraints(spark: SparkSession, metadata: Any) -> bool:
    """Whether Delta checks rows that are written to a table.

    Args:
        spark: An open session.
        metadata: Delta's metadata of the table.
    """
    return not _all(spark, metadata).isEmpty()


def check_rows(spark: SparkSession, place: Location, made: Callable[[], DataFrame]) -> None:
    """Refuse rows that Delta would refuse. A table without constraints costs no Spark job.

    Args:
        spark: An open session.
        place: Location of the table; a missing table accepts all rows.
        made: Function that returns the rows, called if the table has constraints; columns that they lack would be null.

    Raises:
        InputError: Rows break constraints of the table, which the message names.
    """
    snapshot = place.snapshot(spark)
    metadata = None if snapshot is None else snapshot.metadata()
    found = [] if metadata is None else list(_named(spark, metadata))
    if metadata is None or not found:
        return
    rows, columns = made(), StructType.fromJson(json.loads(metadata.schemaString()))
    lacking = [F.lit(None).cast(each.dataType).alias(each.name) for each in columns if each.name not in rows.columns]
    # Delta refuses a row for which a constraint is null, too.
    counts = [F.count_if(~F.coalesce(holds, F.lit(False))).alias(str(at)) for at, (_, holds) in enumerate(found)]
    broken = rows.select("*", *lacking).agg(*counts).collect()[0]
    told = {name: count for (name, _), count in zip(found, broken, strict=True) if count}
    if told:
        raise broken_constraints(place, told, "; ".join(f"{count} rows against {name}" for name, count in told.items()))


def _all(spark: SparkSession, metadata: Any) -> Any:
    jvm = JavaClasses(spark._jvm)
    return jvm.org.apache.spark.sql.delta.constraints.Constraints.getAll(metadata, spark._jsparkSession)


def _named(spark: SparkSession, metadata: Any) -> Iterator[tuple[str, Column]]:
    """Yield the name of each constraint, and whether a row meets it: Delta's own expressions, parsed by Delta."""
    jvm = JavaClasses(spark._jvm)
    for each in listed(_all(spark, metadata)):
        if each.getClass().getSimpleName() == "NotNull":
            parts = list(listed(each.column()))
            quoted = ".".join(f"`{part.replace('`', '``')}`" for part in parts)
            yield f"NOT NULL of {'.'.join(parts)}", F.col(quoted).isNotNull()
        else:
            name = "VARCHAR" if each.name() == _LENGTH else f"CHECK {each.name()}"
            holds = jvm.org.apache.spark.sql.classic.ExpressionUtils.column(each.expression())
            yield f"{name} {each.expression().sql()}", Column(holds)


def _takes(found: StructField, wanted: StructField) -> bool:
    """Whether a column can hold the values of a type as they are. Spark pads a CHAR with blanks when it reads it."""
    return (
        found.dataType.simpleString() == wanted.dataType.simpleString()
        and not _PADDED.search(found.metadata.get(_DECLARED, ""))
        and not _stricter(found.dataType, wanted.dataType)
    )


def _stricter(found: DataType, wanted: DataType, inside: bool = False) -> bool:
    """Whether values in arrays or maps may be null, but not in the table: Delta does not check those when it writes."""
    if isinstance(found, ArrayType) and isinstance(wanted, ArrayType):
        return wanted.containsNull > found.containsNull or _stricter(found.elementType, wanted.elementType, True)
    if isinstance(found, MapType) and isinstance(wanted, MapType):
        parts = ((found.keyType, wanted.keyType), (found.valueType, wanted.valueType))
        return wanted.valueContainsNull > found.valueContainsNull or any(_stricter(*pair, True) for pair in parts)
    if isinstance(found, StructType) and isinstance(wanted, StructType):
        pairs = tuple(zip(found, wanted, strict=True))
        strict = inside and any(ours.nullable > theirs.nullable for theirs, ours in pairs)
        return strict or any(_stricter(theirs.dataType, ours.dataType, inside) for theirs, ours in pairs)
    return False


def _declared(field: StructField) -> str:
    """Write a column as in SQL, with the type that was declared for it."""
    kind = field.metadata.get(_DECLARED) or field.dataType.simpleString()
    return f"{field.name} {kind}" + ("" if field.nullable else " NOT NULL")
