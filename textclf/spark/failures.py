"""What Spark's errors are about, told from their words: files, full storage, processes that went away."""

import re

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException

from textclf.common.secrets import first_line, masked

READ_FAILURES = (PySparkException, Py4JJavaError)
"""What Spark raises when reading fails: the second where PySpark does not translate the first."""

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


def lost_task(error: Exception) -> int | None:
    """Number of the task whose worker process or executor went away; None where the error is about something else."""
    said = str(error)
    task = _TASK.search(said)
    return int(task[1]) if task and _TASK_GONE.search(said) else None


def passing(error: Exception) -> bool:
    """Whether executors or workers went away, or storage did not answer: a little later there may be others."""
    return bool(_PASSES.search(str(error)))
