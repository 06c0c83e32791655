"""Columns of numbers as labels, by Spark's own expressions; ``textclf.formats.number_labels`` for one value."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DecimalType, DoubleType, FloatType

FRACTIONAL = (FloatType, DoubleType, DecimalType)
"""Types of columns whose values may have a fraction."""
_EXACT = 1 << 53  # doubles represent each integer up to here; Java and Python write larger ones differently


def whole_column(label: Column, kind: DataType) -> tuple[Column, Column]:
    """Turn a column of numbers into labels, with an expression for which of them are certainly right.

    The others are left to ``written_label``.

    Args:
        label: Column of numbers.
        kind: Type of the column, one of ``FRACTIONAL``.
    """
    if isinstance(kind, DecimalType):
        whole = label == F.floor(label)
        return F.when(whole, F.floor(label).cast("string")).otherwise(label.cast("string")), whole
    number = label.cast("double")  # exact for a float
    integer = F.when(F.abs(number) < F.lit(_EXACT), number.try_cast("long"))
    whole = integer.cast("double") == number
    return F.when(whole, integer.cast("string")).otherwise(number.cast("string")), F.coalesce(whole, F.lit(False))
