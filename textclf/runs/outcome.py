"""The outcome of a run, from the error that ended it."""

from dataclasses import dataclass

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.sql import SparkSession

from textclf.common.logs import say, say_error
from textclf.common.secrets import first_line
from textclf.errors import LockError, TextclfError
from textclf.runs.record import RunRecord
from textclf.spark.cancellation import StoppedError, asked
from textclf.storage import Warehouse

_LONGEST = 500  # characters of an error in a record


class SparkEndedError(TextclfError):
    """Spark's JVM on this machine has ended under a run."""


@dataclass(frozen=True)
class Outcome:
    """Exit code, and the record's status and problem."""

    code: int
    status: str
    problem: str


def outcome_of(error: BaseException) -> Outcome:
    """Return the outcome of a run that ended with an error; after a request to stop, any error is its consequence."""
    if asked() or isinstance(error, KeyboardInterrupt):
        error = StoppedError()
    if isinstance(error, TextclfError):
        return Outcome(error.exit_code, error.status, error.problem)
    return Outcome(1, "failed", first_line(error, _LONGEST, named=True))


def end_with(record: RunRecord, error: BaseException, **fields: object) -> Outcome:
    """Set the outcome in the record and log the error."""
    error = _with_reason(error)
    found = outcome_of(error)
    record.end(found.status, found.problem)
    say_error(StoppedError() if found.status == StoppedError.status else error, **fields)
    return found


def _with_reason(error: BaseException) -> BaseException:
    """Return an error that says that the JVM has ended if that is why the given one was raised."""
    process = getattr(SparkContext._gateway, "proc", None)
    if not isinstance(error, Py4JError | OSError) or process is None or process.poll() is None:
        return error
    return SparkEndedError(
        "Spark's JVM on this machine has ended while the run needed it.",
        received=f"{first_line(error)}; the JVM's exit status is {process.returncode}",
        expected="a JVM that lives as long as the run",
        fix="look for the reason, such as the system's out-of-memory killer, in the system's log, and start the job "
        "again: tables are as before or complete, and locks need no repair",
    )


def keep(spark: SparkSession, warehouse: Warehouse, record: RunRecord) -> bool:
    """Add the record to ``runs`` and return whether that worked."""
    try:
        record.append(spark, warehouse)
    except LockError as error:  # another run's record of this run is kept instead
        record.end(error.status, error.problem)
        say_error(error)
        return False
    except Exception as error:  # noqa: BLE001 - an earlier error must still decide the exit code
        if not isinstance(_with_reason(error), SparkEndedError):  # which has been said
            say_error(error)
        say(f"{record.job}: the run record could not be written to {warehouse.location('runs')}", "error")
        return False
    return True


def code_when_kept(spark: SparkSession, warehouse: Warehouse, record: RunRecord, code: int) -> int:
    """Add the record to ``runs`` and return the run's exit code; without a record, a run has not succeeded."""
    if keep(spark, warehouse, record):
        return code
    return LockError.exit_code if record.status == LockError.status else code or 1
