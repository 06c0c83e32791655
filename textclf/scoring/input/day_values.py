"""Days of rows: calendar days of the years 1 to 9999, from dates, timestamps and ISO 8601 strings."""

from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DateType, StringType, TimestampNTZType, TimestampType

FIRST, LAST = date.min, date.max
"""First and last day that Python, Delta's log and the names of folders all represent in the same way."""
_TIME = r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d{1,9})?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?"
ISO = rf"\A\d{{4}}-\d{{2}}-\d{{2}}({_TIME})?\z"
"""A day, or a timestamp that begins with one (ISO 8601). Spark's cast also accepts ``2026`` and ``2026-01-05 junk``."""


def means_a_day(kind: DataType) -> bool:
    """Whether values of a type can mean a day."""
    return isinstance(kind, DateType | TimestampType | TimestampNTZType | StringType)


def unchecked_day(column: Column, kind: DataType) -> Column:
    """Return the day of each value, of any year; null if a string is not a day.

    In comparisons with days from ``FIRST`` to ``LAST`` the result equals that of ``strict_day``. A date column is
    returned unchanged, so that Spark can skip partitions and files of other days.

    The day of a timestamp is taken in the session's time zone; that of a string is the one it begins with.
    """
    if isinstance(kind, DateType):
        return column
    if not isinstance(kind, StringType):
        return column.try_cast("date")
    plain = column.cast("string")  # removes a collation
    return F.when(plain.rlike(ISO), plain.try_cast("date"))


def strict_day(column: Column, kind: DataType) -> Column:
    """Return the day of each value; null if it is not a day from ``FIRST`` to ``LAST``."""
    day = unchecked_day(column, kind)
    return F.when(day.between(lit_day(FIRST), lit_day(LAST)), day)


def lit_day(day: date) -> Column:
    """Return a day as a literal; PySpark's own fails before the year 1000 and uses the Julian calendar before 1583."""
    return F.lit(day.isoformat()).cast("date")
