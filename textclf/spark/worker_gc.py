"""Garbage collection and clean exits of the worker processes that Spark reuses between tasks."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pyspark import TaskContext

_tasks = 0


class _Traceback:
    """Stand-in for ``traceback`` in ``pyspark.daemon`` that prints nothing if Spark has closed the connection."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def print_exc(self) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError | EOFError):
            self._module.print_exc()


def leave_quietly(daemon: Any = None) -> None:
    """Make workers end without a traceback when Spark has closed their connection.

    Spark closes it when a query needs no more rows (``LIMIT``, ``isEmpty``), after a minute without a task, and when
    Spark itself ends. ``pyspark.daemon`` then prints a BrokenPipeError or an EOFError for each worker that was about to
    answer, although nothing went wrong. Errors of tasks do not get there: they are reported to Spark before.

    Args:
        daemon: Module ``pyspark.daemon`` of the process that starts workers; None if this process is a worker.
    """
    main: Any = sys.modules["__main__"]
    if daemon is None and getattr(getattr(main, "__spec__", None), "name", "") == "pyspark.daemon":
        daemon = main
    if daemon is not None and isinstance(daemon.traceback, ModuleType):
        daemon.traceback = _Traceback(daemon.traceback)


def settle() -> None:
    """Exclude what a worker has loaded so far from later garbage collections. Call this at the end of a task.

    PySpark collects a worker's garbage after each task (``pyspark.daemon``). In a process that has imported Keras or
    scikit-learn, that walks through a million objects that are never freed, and takes as long as a short task. These
    objects are frozen after the 1st, 2nd, 4th, ... task of the process, because later tasks may load more.
    """
    global _tasks
    if TaskContext.get() is None:  # the driver, which does small work itself
        return
    _tasks += 1
    if _tasks & (_tasks - 1) == 0:
        gc.collect()
        gc.freeze()


@contextmanager
def loading() -> Iterator[None]:
    """Disable garbage collection inside the block, for large imports. It would take a fifth of their time.

    The collections would find nothing. What has been imported is excluded from later collections.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
