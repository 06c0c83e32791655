"""PySpark's daemon, which starts the worker processes of an executor, with two additions.

It prints no tracebacks when nothing went wrong, and it imports the modules of workers once, before it forks the first
of them, where the driver asks for that (``textclf.spark.preload``). Spark runs it (``spark.python.daemon.module``) if
executors are on the driver's machine, where its output appears among the driver's own, and modules are the same.
"""

from typing import Any

from pyspark import daemon

from textclf.spark.preload.daemon_imports import preload_or_restart
from textclf.spark.worker_gc import leave_quietly


def main() -> None:
    """Serve until Spark closes standard input."""
    preload_or_restart()
    pyspark_daemon: Any = daemon
    leave_quietly(pyspark_daemon)
    pyspark_daemon.manager()


if __name__ == "__main__":
    main()
