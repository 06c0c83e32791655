"""Retry commits that conflict with another writer."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from delta import exceptions
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException

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
