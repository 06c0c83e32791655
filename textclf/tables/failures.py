"""What Spark says of files that it cannot read."""

import re

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException

from textclf.config import first_line, masked

READ_FAILURES = (PySparkException, Py4JJavaError)
"""What Spark raises when reading fails: the second where PySpark does not translate the first."""

_ABOUT_FILES = re.compile(
    r"\[(?:PATH_NOT_FOUND|FAILED_READ_FILE|UNABLE_TO_INFER_SCHEMA|CANNOT_READ_FILE|DELTA_|USER_RAISED_EXCEPTION)[^\n]*"
)
_WHILE_READING = re.compile(r"\[(?:FAILED_READ_FILE|USER_RAISED_EXCEPTION)[^\n]*")
_FULL = re.compile(r"No space left on device|Disk quota exceeded|There is not enough space on the disk")
_LONGEST = 300  # characters of Spark's words in an error


def unreadable(error: Exception) -> str | None:
    """Spark's sentence about the files, None where the error is about something else."""
    found = _ABOUT_FILES.search(masked(str(error)))
    if found:
        return found[0][:_LONGEST]
    return first_line(error, _LONGEST) if isinstance(error, AnalysisException) else None


def failed_reading(error: Exception) -> str | None:
    """Spark's sentence about files that failed it while it wrote their rows; None where the table is what failed."""
    found = _WHILE_READING.search(masked(str(error)))
    return found[0][:_LONGEST] if found else None


def no_room(error: Exception) -> str | None:
    """The system's words where storage is full; None where the error is about something else."""
    found = _FULL.search(str(error))
    return found[0] if found else None
