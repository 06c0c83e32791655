"""Modules that users ship to workers (``spark.addPyFile``) win over those of the same name that were preloaded."""

import sys
from collections.abc import Callable, Iterable
from importlib.machinery import PathFinder
from typing import Any


def prefer_shipped(preloaded: Iterable[str]) -> None:
    """Make workers forget preloaded modules when Spark adds a path that has others of their names.

    Without preloading, workers find such modules first, because Spark puts these paths before those of packages.

    Args:
        preloaded: Names of the modules that were preloaded.
    """
    import pyspark.worker
    import pyspark.worker_util

    names = frozenset(preloaded)
    worker: Any = pyspark.worker
    util: Any = pyspark.worker_util
    util.setup_spark_files = worker.setup_spark_files = _checked(util.setup_spark_files, names)


def _checked(set_up: Callable[[Any], None], preloaded: frozenset[str]) -> Callable[[Any], None]:
    def set_up_and_forget(stream: Any) -> None:
        before = set(sys.path)
        set_up(stream)
        added = [path for path in sys.path if path not in before]
        if added:
            _forget(preloaded, added)

    return set_up_and_forget


def _forget(preloaded: frozenset[str], paths: list[str]) -> None:
    packages = {name.partition(".")[0] for name in preloaded} & preloaded  # a package of before keeps its modules
    for package in packages:
        found = PathFinder.find_spec(package, paths)
        if found is not None and found.loader is not None:  # a mere folder of that name is no package
            for name in preloaded:
                if name == package or name.startswith(f"{package}."):
                    sys.modules.pop(name, None)
