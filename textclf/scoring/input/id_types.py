"""Types of ids: which the results can hold, and as what."""

from collections.abc import Iterator

from pyspark.sql.types import (
    ArrayType,
    CalendarIntervalType,
    DataType,
    DayTimeIntervalType,
    GeographyType,
    GeometryType,
    MapType,
    NullType,
    StringType,
    StructField,
    StructType,
    TimeType,
    VariantType,
    YearMonthIntervalType,
)

from textclf.errors import InputError

_NO_TYPES = (
    CalendarIntervalType, DayTimeIntervalType, YearMonthIntervalType, TimeType, GeometryType, GeographyType,
)  # fmt: skip
_NO_LETTERS = set(" ,;{}()\n\t=")
"""What the name of a field must not hold in a Parquet file that Delta writes (Delta, without column mapping)."""


def stored_type(kind: DataType) -> DataType:
    """The type as which ids are written: their own, but for strings without their collation, and text for void.

    Example:
        >>> from pyspark.sql.types import ArrayType, StringType
        >>> stored_type(ArrayType(StringType("UTF8_LCASE"))).simpleString()
        'array<string>'
    """
    if isinstance(kind, StringType | NullType):
        return StringType()
    if isinstance(kind, ArrayType):
        return ArrayType(stored_type(kind.elementType), kind.containsNull)
    if isinstance(kind, MapType):
        return MapType(stored_type(kind.keyType), stored_type(kind.valueType), kind.valueContainsNull)
    if isinstance(kind, StructType):
        return StructType([StructField(each.name, stored_type(each.dataType), each.nullable) for each in kind])
    return kind


def check_ids(kind: DataType, name: str, compared_by: str | None) -> None:
    """Refuse ids that no Delta table holds, or whose values cannot be compared where that is asked for.

    Args:
        compared_by: The key of the pipeline file that asks for it.

    Raises:
        InputError: It is such a type.
    """
    if mistake := next(_mistakes(kind), None):
        raise InputError(
            "The ids of the input have a type that a Delta table cannot hold.",
            received=f"{name} {kind.simpleString()}: {mistake}",
            expected="a type that Delta stores, with names of fields without blanks and any of ,;{}()=",
            fix="give the input a column of texts or numbers and set it as id under [score]; in SQL: "
            "CAST(... AS STRING), or to_json(...) of a struct",
        )
    if compared_by and any(isinstance(each, VariantType | MapType) for each in _parts(kind)):
        raise InputError(
            "The ids of the input have a type whose values cannot be compared.",
            received=f"{name} {kind.simpleString()}, with {compared_by}",
            expected="ids without variants and maps",
            fix=f"leave out {compared_by}, or set a column of texts or numbers as id under [score]",
        )


def _mistakes(kind: DataType) -> Iterator[str]:
    for part in _parts(kind):
        if isinstance(part, _NO_TYPES):
            yield f"{part.simpleString()} is no type of Delta's"
        if isinstance(part, StructType):
            names = part.fieldNames()
            yield from (f"a field is called {each!r}" for each in names if _NO_LETTERS & set(each))
            if len({each.casefold() for each in names}) < len(names):
                yield f"fields differ in case alone: {', '.join(names)}"
            if not names:
                yield "a struct without fields"


def _parts(kind: DataType) -> Iterator[DataType]:
    """The type and all types inside."""
    yield kind
    if isinstance(kind, ArrayType):
        yield from _parts(kind.elementType)
    elif isinstance(kind, MapType):
        yield from _parts(kind.keyType)
        yield from _parts(kind.valueType)
    elif isinstance(kind, StructType):
        for field in kind:
            yield from _parts(field.dataType)
