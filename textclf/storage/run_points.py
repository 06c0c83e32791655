"""Named points of a run at which tests and the fault campaign can inject other events.

An interleaving that is forced at a named point is reproducible; one that depends on timing is not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

POINTS = (
    "locked",  # the run has its first lock
    "staged",  # all rows are in staging
    "checked",  # the gate has passed and the run still has its locks; the published tables are untouched
    "moved",  # staged files are in the folder of a published table and young, but in no version of it
    "looked",  # the transaction has read the table, and the locks have been checked again
    "committed",  # a published table has the rows
    "recording",  # the run record is about to be added to ``runs``
    "recorded",  # the run record is written; the locks have not been given back
)
"""Points in the order of a scoring run. ``moved`` occurs for both tables, then ``looked`` and ``committed`` for
each of them.

A run of ingest reaches ``committed`` for ``corpus`` and then for ``corpus_rejects``.
"""

Listener = Callable[[str], object]
"""Callback that gets the point and, if it is about a table, the table's folder: ``committed /warehouse/results``."""
_listeners: list[Listener] = []


def reached(point: str, place: object = None) -> None:
    """Tell all listeners that a run has reached a point."""
    for listener in tuple(_listeners):
        listener(point if place is None else f"{point} {place}")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call a listener at each point that any thread of this process reaches."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
