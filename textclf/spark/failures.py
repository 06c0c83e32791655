"""Classify Spark's errors by their messages: unreadable files, full storage, lost processes."""

import re

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException

from textclf.common.secrets import first_line, masked

READ_FAILURES = (PySparkException, Py4JJavaError)
"""Errors that Spark raises when reading fails; the second is one that PySpark does not translate."""

_ABOUT_FILES = re.compile(
    r"\[(?:PATH_NOT_FOUND|FAILED_READ_FILE|UNABLE_TO_INFER_SCHEMA|CANNOT_READ_FILE|DELTA_|USER_RAISED_EXCEPTION)[^\n]*"
)
_WHILE_READING = re.compile(r"\[(?:FAILED_READ_FILE|USER_RAISED_EXCEPTION)[^\n]*")
_FULL = re.compile(r"No space left on device|Disk quota exceeded|There is not enough space on the disk")
_TASK = re.compile(r"Task (\d+) in stage [\d.]+ failed")
_GONE = "ExecutorLostFailure|Python worker exited unexpectedly|worker lost|heartbeat"
_TASK_GONE = re.compile(f"{_GONE}|EOFException")
_PASSES = re.compile(
    f"{_GONE}|executor lost|FetchFailed"
    "|SocketTimeoutException|Connection (?:reset|refused|timed out)|SlowDown|Service ?Unavailable",
    re.IGNORECASE,
)
_LONGEST = 300  # characters of Spark's message that are kept


def unreadable(error: Exception) -> str | None:
    """Return Spark's sentence about the files, or None if the error is about something else."""
    found = _ABOUT_FILES.search(masked(str(error)))
    if found:
        return found[0][:_LONGEST]
    return first_line(error, _LONGEST) if isinstance(error, AnalysisException) else None


def failed_reading(error: Exception) -> str | None:
    """Return Spark's sentence about files that failed while it wrote their rows, or None if the table failed."""
    found = _WHILE_READING.search(masked(str(error)))
    return found[0][:_LONGEST] if found else None


def no_room(error: Exception) -> str | None:
    """Return the system's message that storage is full, or None if the error is about something else."""
    found = _FULL.search(str(error))
    return found[0] if found else None


def lost_task(error: Exception) -> int | None:
    """Return the number of the task that lost its worker process or executor, or None for any other error."""
    said = str(error)
    task = _TASK.search(said)
    return int(task[1]) if task and _TASK_GONE.search(said) else None


def passing(error: Exception) -> bool:
    """Whether an error is transient: executors or workers were lost, or storage did not answer."""
    return bool(_PASSES.search(str(error)))
