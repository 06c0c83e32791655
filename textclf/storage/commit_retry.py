"""Try a commit again that lost against another writer's."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from delta import exceptions
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException

T = TypeVar("T")
# In Python the first is not the base of the others.
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
_FIRST_PAUSE = 0.2  # seconds; doubled each time
_CREATED_MEANWHILE = (
    "DELTA_PATH_EXISTS",
    "DELTA_TABLE_ALREADY_EXISTS",
    "TABLE_OR_VIEW_ALREADY_EXISTS",
    "DELTA_CREATE_TABLE_WITH_DIFFERENT_",
    "FileAlreadyExistsException",
)


def retried(commit: Callable[[], T]) -> T:
    """What ``commit`` gives; after a conflict with another writer it is called again, up to ``ATTEMPTS`` times.

    Only for commits that may be made twice: a slice of one's own replaced by the same rows, or an append that a
    conflict has left undone. Delta tells of a conflict before it makes a commit, never after.
    """
    for attempt in range(ATTEMPTS):
        try:
            return commit()
        except (*CONFLICTS, AnalysisException, Py4JJavaError) as error:
            if attempt == ATTEMPTS - 1 or not lost_a_race(error):
                raise
            time.sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.5))  # else losers would meet again
    raise AssertionError("the last attempt returns or raises")


def lost_a_race(error: Exception) -> bool:
    """Whether another writer's commit came first."""
    return isinstance(error, CONFLICTS) or any(word in str(error) for word in _CREATED_MEANWHILE)
