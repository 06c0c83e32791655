"""PySpark's daemon, which starts the worker processes of an executor, without its tracebacks when nothing went wrong.

Spark runs it (``spark.python.daemon.module``) if executors are on the driver's machine, where its output appears among
the driver's own. It imports as little as PySpark's daemon does, because no thread may run before a worker is forked.
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
