"""Variables that the driver gives Python workers, of which one says what their daemon preloads."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark import SparkContext

VARIABLE = "TEXTCLF_PRELOAD"
"""Environment variable of a daemon: what it preloads, separated by spaces; see ``preload``."""
DAEMON = "textclf.spark.worker_daemon"
"""Value of ``spark.python.daemon.module`` where the daemon can preload."""
_taken = threading.Lock()


@contextmanager
def worker_variables(context: SparkContext, given: Mapping[str, str]) -> Iterator[None]:
    """Give environment variables to the workers of Python functions that are handed to Spark within it.

    Spark keeps workers of different environments apart, so that none of them has been used by other functions.

    Args:
        context: Spark context.
        given: The variables.
    """
    variables = context.environment
    before = {name: variables.get(name) for name in given}
    variables.update(given)
    try:
        yield
    finally:  # of other threads' variables nothing is taken
        for name, value in before.items():
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = value


@contextmanager
def preloading(context: SparkContext, *references: str) -> Iterator[None]:
    """Give the Python functions that are handed to Spark within it workers with these modules.

    Spark starts one daemon for each environment, so workers of other functions do not get them. Nothing changes where
    the daemon is PySpark's own.

    Args:
        context: Spark context.
        references: Modules to import, or ``module:function`` to call as well.
    """
    java: Any = context._jsc  # a copy of all settings would cost a call of the JVM for each
    if java.sc().conf().get("spark.python.daemon.module", "") != DAEMON:
        yield
        return
    # Functions of several threads are handed to Spark at a time, and the context has one environment.
    with _taken, worker_variables(context, {VARIABLE: " ".join(references)}):
        yield
