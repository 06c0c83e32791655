"""PySpark's daemon, which starts the worker processes of an executor, with three additions.

It imports PySpark as it is installed (``textclf.spark.preload.installed_pyspark``). It imports the modules of workers
once, before it forks the first of them, where the driver asks for that (``textclf.spark.preload.environment``). And it
prints no tracebacks when nothing went wrong. Spark runs it (``spark.python.daemon.module``) if executors are on the
driver's machine, where its output appears among the driver's own, and the installed modules are the driver's.
"""

from typing import Any

from textclf.spark.preload.installed_pyspark import use_installed_pyspark


def main() -> None:
    """Serve until Spark closes standard input."""
    use_installed_pyspark()  # before anything imports PySpark
    from textclf.spark.preload.daemon_imports import preload_or_restart
    from textclf.spark.worker_gc import leave_quietly

    preload_or_restart()
    from pyspark import daemon

    pyspark_daemon: Any = daemon
    leave_quietly(pyspark_daemon)
    pyspark_daemon.manager()


if __name__ == "__main__":
    main()
