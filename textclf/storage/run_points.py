"""Named points of a run, at which tests and the fault campaign let other things happen.

An interleaving that is forced at a point is the same each time; one that is waited for is not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

POINTS = (
    "locked",  # the run has its first lock
    "staged",  # all rows are in staging
    "checked",  # the gate has passed, the locks are still ours: nothing of the published tables has been touched
    "moved",  # staged files lie in the folder of a published table, in no version of it
    "looked",  # the transaction has read the table, and the locks have been looked at once more
    "committed",  # a published table has the rows
    "recording",  # the record is about to be added to ``runs``
    "recorded",  # it is there; the locks have not been given back
)
"""In the order of a run that scores; those from ``moved`` to ``committed`` once for each of the two tables.

A run of ingest reaches ``committed`` once, with the folder of ``corpus``: that of its rejects is to come.
"""

Listener = Callable[[str], object]
"""Is told the point and, of those of a table, its folder: ``committed /warehouse/results``."""
_listeners: list[Listener] = []


def reached(point: str, place: object = None) -> None:
    """A run is at this point."""
    for listener in tuple(_listeners):
        listener(point if place is None else f"{point} {place}")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell a listener of the points that any thread of this process reaches."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
