"""The daemon's side of preloading: imports before the first fork, of which every worker then has a copy.

A fork copies only the thread that forks. Locks that another thread held would stay locked in the worker, so a daemon
that has more than one thread after its imports starts again without them.
"""

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from textclf.spark.preload.environment import VARIABLE
from textclf.spark.preload.shipped_files import prefer_shipped
from textclf.spark.worker_gc import loading

_THREADS = Path("/proc/self/task")
_JEMALLOC = "JE_ARROW_MALLOC_CONF"  # Arrow's copy of jemalloc starts a thread when Arrow is loaded, even if not used


def preload_or_restart() -> None:
    """Import what ``VARIABLE`` names; if that fails or has left threads, start this process again without it.

    A module that cannot be imported, or compiled code that cannot be read, is then met by the workers that need it, as
    under PySpark's own daemon, and reported as an error of their task.
    """
    references = os.environ.pop(VARIABLE, "").split()
    if not references or not _THREADS.is_dir():  # only Linux says how many threads there are
        return
    with suppress(Exception):  # of any kind: from modules, and from files of compiled code
        _preload(references)
        if len(list(_THREADS.iterdir())) == 1:
            return
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _preload(references: list[str]) -> None:
    before = set(sys.modules)
    given = os.environ.setdefault(_JEMALLOC, "background_thread:false")
    try:
        with loading():  # a collection in a worker would also copy the pages of all objects that it visits
            import_module("pyspark.worker")
            for reference in references:
                name, _, function = reference.partition(":")
                module = import_module(name)
                if function:
                    getattr(module, function)()
    finally:
        if given == "background_thread:false":
            os.environ.pop(_JEMALLOC)  # it is not the workers'
    prefer_shipped(set(sys.modules) - before)
    if "numpy" in sys.modules:
        # Otherwise all workers would draw the same numbers. Python's own generator and numba's do this themselves.
        os.register_at_fork(after_in_child=import_module("numpy.random").seed)
