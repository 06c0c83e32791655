"""Labels that are numbers: whole ones are the integer's text, in every format; others are no labels."""

import re
from decimal import Decimal

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DecimalType, DoubleType, FloatType

FRACTIONAL = (FloatType, DoubleType, DecimalType)
"""Types of columns whose values need not be whole."""
_LARGEST_EXPONENT = 308  # that of doubles: a label has no more digits, and no exponent fills the memory
_ZERO = re.compile(r"[+-]?0*\.?0*(?:[eE][+-]?[0-9]+)?")
_EXACT = 1 << 53  # doubles up to here have each integer; Java and Python write larger ones differently


def number_label(digits: str) -> str | None:
    """The label that a number is: the integer's digits where it is whole, None for any other.

    Args:
        digits: The number as text, such as ``1.0`` or ``1e20``.

    Example:
        >>> number_label("1.0"), number_label("1e20"), number_label("1.5")
        ('1', '100000000000000000000', None)
    """
    try:
        number = Decimal(digits)
    except ArithmeticError:  # an exponent that no number has room for
        return "0" if _ZERO.fullmatch(digits) else None
    if not number:  # whatever its exponent says
        return "0"
    if not number.is_finite() or number.adjusted() > _LARGEST_EXPONENT or number != number.to_integral_value():
        return None
    return str(int(number))


def written_label(written: str) -> str | None:
    """``number_label`` of a number as Spark writes it; of a double the integer that it is, to the last digit."""
    return number_label(str(Decimal(float(written))) if "E" in written else written)


def whole_column(label: Column, kind: DataType) -> tuple[Column, Column]:
    """A column of numbers as labels, and whether each is one beyond doubt; others are left for ``written_label``.

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
