"""Worker processes that Spark uses again, and what it has them do between two tasks."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_tasks = 0


def settle() -> None:
    """Call at the end of a task: what the process has loaded by then is left out of later collections of garbage.

    PySpark collects all garbage of a worker after each task (``pyspark.daemon``). In a process that has imported
    Keras or scikit-learn that walks through a million objects which never go, for as long as a short task takes.
    They are set aside after the 1st, 2nd, 4th, ... task of the process, since later ones may load more.
    """
    global _tasks
    _tasks += 1
    if _tasks & (_tasks - 1) == 0:
        gc.collect()
        gc.freeze()


@contextmanager
def loading() -> Iterator[None]:
    """Import much within it: no collections of garbage, which are a fifth of the time and find nothing.

    What has been imported is left out of later ones.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
