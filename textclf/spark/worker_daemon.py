"""PySpark's daemon, which begins the worker processes of an executor, without a word where nothing went wrong.

Spark runs it (``spark.python.daemon.module``) where executors are on the driver's machine, so that what it prints is
among the driver's own words. It loads as little as PySpark's does: no thread may run before a worker is forked.
"""

from typing import Any

from pyspark import daemon

from textclf.spark.worker_gc import leave_quietly


def main() -> None:
    """Serve until Spark closes standard input."""
    pyspark_daemon: Any = daemon
    leave_quietly(pyspark_daemon)
    pyspark_daemon.manager()


if __name__ == "__main__":
    main()
