"""Types of ids: which types the results can hold, and how each is stored."""

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
"""Characters that field names must not contain in Delta's Parquet files (Delta, without column mapping)."""


def stored_type(kind: DataType) -> DataType:
    """Return the type that ids are stored as: their own, except that strings lose their collation and void is string.

    Fields of structs may be null: Delta would refuse a null id, of a reject, if one of its fields had to have a value.

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
        return StructType([StructField(each.name, stored_type(each.dataType)) for each in kind])
    return kind


def check_ids(kind: DataType, name: str, compared_by: str | None) -> None:
    """Check that a Delta table can hold ids of a type, and that they can be compared if a setting needs that.

    Args:
        kind: Type of the ids.
        name: Name of the column of ids.
        compared_by: The setting that compares ids, in words; None if there is none.

    Raises:
        InputError: The type cannot be stored or compared.
    """
    if mistake := next(_mistakes(kind), None):
        raise InputError(
            "The ids of the input have a type that a Delta table cannot hold.",
            received=f"{name} {kind.simpleString()}: {mistake}",
            expected="a type that Delta stores, whose field names contain neither white space nor any of ,;{}()=",
            fix="give the input an id column of strings or numbers and set it as id under [score]; in SQL: "
            "CAST(... AS STRING), or to_json(...) of a struct",
        )
    if compared_by and any(isinstance(each, VariantType | MapType) for each in _parts(kind)):
        raise InputError(
            "The ids of the input have a type whose values cannot be compared.",
            received=f"{name} {kind.simpleString()}, with {compared_by}",
            expected="ids without variants and maps",
            fix=f"leave out {compared_by}, or set a column of strings or numbers as id under [score]",
        )


def _mistakes(kind: DataType) -> Iterator[str]:
    for part in _parts(kind):
        if isinstance(part, _NO_TYPES):
            yield f"Delta does not support {part.simpleString()}"
        if isinstance(part, StructType):
            names = part.fieldNames()
            yield from (f"a field is named {each!r}" for each in names if _NO_LETTERS & set(each))
            if len({each.casefold() for each in names}) < len(names):
                yield f"field names differ only in case: {', '.join(names)}"
            if not names:
                yield "a struct without fields"


def _parts(kind: DataType) -> Iterator[DataType]:
    """Yield the type and all types nested in it."""
    yield kind
    if isinstance(kind, ArrayType):
        yield from _parts(kind.elementType)
    elif isinstance(kind, MapType):
        yield from _parts(kind.keyType)
        yield from _parts(kind.valueType)
    elif isinstance(kind, StructType):
        for field in kind:
            yield from _parts(field.dataType)
