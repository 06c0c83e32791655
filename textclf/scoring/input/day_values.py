"""Days of rows: real calendar days of the years 1 to 9999, from dates, timestamps and ISO texts."""

from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DateType, StringType, TimestampNTZType, TimestampType

FIRST, LAST = date.min, date.max
"""Every day between, both included, is one that Python, Delta's log and the names of folders hold alike."""
_TIME = r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d{1,9})?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?"
ISO = rf"\A\d{{4}}-\d{{2}}-\d{{2}}({_TIME})?\z"
"""A day, or a timestamp that begins with it (ISO 8601); Spark's own cast takes ``2026`` and ``2026-01-05 junk``."""


def means_a_day(kind: DataType) -> bool:
    """Whether values of a type can mean a day."""
    return isinstance(kind, DateType | TimestampType | TimestampNTZType | StringType)


def unchecked_day(column: Column, kind: DataType) -> Column:
    """The day of each value, which may be of any year; null where a text is no day.

    Compared with days of ``FIRST`` to ``LAST`` it gives what ``strict_day`` gives, and a column of dates stays bare,
    so that Spark can skip partitions and files of other days.

    The day of a timestamp is that of the session's time zone; that of a text is the one that it begins with.
    """
    if isinstance(kind, DateType):
        return column
    if not isinstance(kind, StringType):
        return column.try_cast("date")
    plain = column.cast("string")  # of a collated text, too
    return F.when(plain.rlike(ISO), plain.try_cast("date"))


def strict_day(column: Column, kind: DataType) -> Column:
    """The day of each value, null where there is none between ``FIRST`` and ``LAST``."""
    day = unchecked_day(column, kind)
    return F.when(day.between(lit_day(FIRST), lit_day(LAST)), day)


def lit_day(day: date) -> Column:
    """A day as a literal; PySpark's own fails before the year 1000, and counts by the Julian calendar before 1583."""
    return F.lit(day.isoformat()).cast("date")
