"""Labels that are numbers: whole ones are the integer's text, in every format; others are no labels."""

from decimal import Decimal, InvalidOperation

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DecimalType, DoubleType, FloatType

FRACTIONAL = (FloatType, DoubleType, DecimalType)
"""Types of columns whose values need not be whole."""
_EXACT = 1 << 53  # doubles up to here have each integer; Java and Python write larger ones differently


def whole_text(number: float | Decimal) -> str | None:
    """The text of the integer that a number is: 1.0 is ``1``, -0.0 is ``0``; None for fractions, NaN and infinity.

    >>> whole_text(1e20), whole_text(0.5)
    ('100000000000000000000', None)
    """
    try:
        integer = int(number)
    except (ValueError, OverflowError, InvalidOperation):
        return None
    return str(integer) if integer == number else None


def whole_label(written: str) -> str | None:
    """``whole_text`` of a number as Spark writes it."""
    if not written.strip("+-0123456789."):  # a decimal has more digits than a float holds
        return whole_text(Decimal(written))
    return whole_text(float(written))


def whole_column(label: Column, kind: DataType) -> tuple[Column, Column]:
    """A column of numbers as labels, and whether each is one beyond doubt; others are left for ``whole_label``.

    Args:
        kind: The column's type, one of ``FRACTIONAL``.
    """
    if isinstance(kind, DecimalType):
        whole = label == F.floor(label)
        return F.when(whole, F.floor(label).cast("string")).otherwise(label.cast("string")), whole
    number = label.cast("double")  # what a float is, exactly
    integer = F.when(F.abs(number) < F.lit(_EXACT), number.try_cast("long"))
    whole = integer.cast("double") == number
    return F.when(whole, integer.cast("string")).otherwise(number.cast("string")), F.coalesce(whole, F.lit(False))
