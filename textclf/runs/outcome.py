"""How a run ended, from what it raised."""

from dataclasses import dataclass

from pyspark.sql import SparkSession

from textclf.common.logs import say, say_error
from textclf.common.secrets import first_line
from textclf.errors import LockError, TextclfError
from textclf.runs.record import RunRecord
from textclf.spark.cancellation import StoppedError, asked
from textclf.storage import Warehouse

_LONGEST = 500  # characters of an error in a record


@dataclass(frozen=True)
class Outcome:
    """What the record and the exit code say."""

    code: int
    status: str
    problem: str


def outcome_of(error: BaseException) -> Outcome:
    """The outcome of a run that ended with this error; after a wish to stop whatever was raised is its consequence."""
    if asked() or isinstance(error, KeyboardInterrupt):
        error = StoppedError()
    if isinstance(error, TextclfError):
        return Outcome(error.exit_code, error.status, error.problem)
    return Outcome(1, "failed", first_line(error, _LONGEST, named=True))


def end_with(record: RunRecord, error: BaseException, **fields: object) -> Outcome:
    """Note the outcome in the record and say what went wrong."""
    found = outcome_of(error)
    record.end(found.status, found.problem)
    say_error(StoppedError() if found.status == StoppedError.status else error, **fields)
    return found


def keep(spark: SparkSession, warehouse: Warehouse, record: RunRecord) -> bool:
    """Add the record to ``runs``; whether it is there."""
    try:
        record.append(spark, warehouse)
    except LockError as error:  # the record that is kept is not this one
        record.end(error.status, error.problem)
        say_error(error)
        return False
    except Exception as error:  # noqa: BLE001 - the first error, if there was one, must still decide the exit code
        say_error(error)
        say(f"{record.job}: the run record could not be written to {warehouse.location('runs')}", "error")
        return False
    return True


def code_when_kept(spark: SparkSession, warehouse: Warehouse, record: RunRecord, code: int) -> int:
    """Add the record to ``runs``; the exit code of the run: one whose record cannot be kept has not succeeded."""
    if keep(spark, warehouse, record):
        return code
    return LockError.exit_code if record.status == LockError.status else code or 1
