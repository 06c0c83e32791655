"""Errors of commits: retry those that conflict with another writer, name the constraints that rows break."""

import random
import re
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

from delta import exceptions
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException

from textclf.common.secrets import masked
from textclf.errors import InputError

T = TypeVar("T")
# In Python, unlike in Java, the first is not a base class of the others.
CONFLICTS = (
    exceptions.DeltaConcurrentModificationException,
    exceptions.ConcurrentAppendException,
    exceptions.ConcurrentDeleteDeleteException,
    exceptions.ConcurrentDeleteReadException,
    exceptions.ConcurrentTransactionException,
    exceptions.ConcurrentWriteException,
    exceptions.MetadataChangedException,
    exceptions.ProtocolChangedException,
)
ATTEMPTS = 8
_FIRST_PAUSE = 0.2  # seconds; doubled after each attempt
_CREATED_MEANWHILE = (
    "DELTA_PATH_EXISTS",
    "DELTA_TABLE_ALREADY_EXISTS",
    "TABLE_OR_VIEW_ALREADY_EXISTS",
    "DELTA_CREATE_TABLE_WITH_DIFFERENT_",
    "FileAlreadyExistsException",
)
# Delta's sentences name the constraint; the values of rows that follow or precede are left out.
_TOLD = re.compile(
    r"CHECK constraint [^\n]*? violated(?= by row)"
    r"|NOT NULL constraint violated for column: [^\n]*?(?=\.?\s*(?:\n|$))"
    r"|Column [^\n]*?, which has a NOT NULL constraint, is missing"
    r"|char/varchar type length limitation\. Failed check: [^\n]*?(?=\.?\s*(?:\n|$))"
)
_CAUSES = 20  # a chain of Java's causes might be a circle


def retried(commit: Callable[[], T]) -> T:
    """Call ``commit`` and return its result; after a conflict with another writer call it again.

    There are at most ``ATTEMPTS`` calls. Only use this for commits that may be repeated: replacing the caller's own
    slice by the same rows, or an append that a conflict has left undone. Delta reports a conflict before it makes a
    commit, never after.
    """
    for attempt in range(ATTEMPTS):
        try:
            return commit()
        except (*CONFLICTS, AnalysisException, Py4JJavaError) as error:
            if attempt == ATTEMPTS - 1 or not lost_a_race(error):
                raise
            # A random factor keeps writers that have collided from colliding again.
            time.sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.5))
    raise AssertionError("the last attempt returns or raises")


def lost_a_race(error: Exception) -> bool:
    """Whether an error means that another writer's commit came first."""
    return isinstance(error, CONFLICTS) or any(word in str(error) for word in _CREATED_MEANWHILE)


def refused_by(error: Exception, place: object) -> InputError | None:
    """Return an error that names the constraint for which Delta has refused rows; None after any other error.

    Args:
        error: Error of a commit. Delta may have wrapped its own error in others.
        place: Location of the table, for the message.
    """
    for text in _texts(error):
        if told := _TOLD.search(text):
            return broken_constraints(place, [str(masked(told[0]))], "rows that break it")
    return None


def broken_constraints(place: object, names: Collection[str], received: str) -> InputError:
    """Return the error for rows that a table's constraints refuse.

    Args:
        place: Location of the table.
        names: The constraints that rows break.
        received: What was found.
    """
    return InputError(
        f"Rows of this run break constraints of the table at {place}: {'; '.join(names)}.",
        received=received,
        expected="rows that meet every constraint of the table",
        fix="correct the rows or the pipeline file, loosen the constraint (ALTER TABLE ... DROP CONSTRAINT, ALTER "
        "COLUMN ... DROP NOT NULL or TYPE STRING), or write to another table; docs/reliability.md has the rules",
    )


def _texts(error: Exception) -> Iterator[str]:
    """Yield what an error and its causes in Java say."""
    yield str(error)
    cause: Any = getattr(error, "_origin", None) or getattr(error, "java_exception", None)
    for _ in range(_CAUSES):
        if cause is None:
            return
        yield str(cause.getMessage())
        cause = cause.getCause()
