"""Worker processes that Spark uses again, and what it has them do between two tasks."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_tasks = 0


class _Traceback:
    """Python's ``traceback`` for ``pyspark.daemon``, without a word where Spark has gone."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def print_exc(self) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError | EOFError):
            self._module.print_exc()


def leave_quietly(daemon: Any = None) -> None:
    """Have workers end without a traceback when Spark has closed their connection.

    Spark closes it when a query needs no more rows (``LIMIT``, ``isEmpty``), after a minute without a task, and at its
    own end. ``pyspark.daemon`` then prints a BrokenPipeError or an EOFError for each worker that was about to answer,
    though nothing went wrong: what a task raises never gets as far as that, but is told to Spark before.

    Args:
        daemon: The module ``pyspark.daemon`` of the process that begins workers; without it, this process is a worker.
    """
    main: Any = sys.modules["__main__"]
    if daemon is None and getattr(getattr(main, "__spec__", None), "name", "") == "pyspark.daemon":
        daemon = main
    if daemon is not None and isinstance(daemon.traceback, ModuleType):
        daemon.traceback = _Traceback(daemon.traceback)


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
