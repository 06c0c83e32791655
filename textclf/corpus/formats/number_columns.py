"""Columns of numbers as labels, by Spark's own expressions; ``textclf.formats.number_labels`` for one value."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DecimalType, DoubleType, FloatType

FRACTIONAL = (FloatType, DoubleType, DecimalType)
"""Types of columns whose values need not be whole."""
_EXACT = 1 << 53  # doubles up to here have each integer; Java and Python write larger ones differently


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
