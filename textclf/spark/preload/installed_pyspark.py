"""Where workers import PySpark from: the installed package, with compiled bytecode, or Spark's zip of sources.

Spark puts the zip first in the path of workers, with a jar of its own that holds no Python. Each process then compiles
PySpark's sources, which takes longer than all other imports of a worker, and reads the tables of contents again for
each of PySpark's packages when a task begins.
"""

import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path

_OF_SPARK = re.compile(r"(.*)/pyspark/(python/lib/(pyspark|py4j-[^/]*)\.zip|jars/spark-core_[^/]*\.jar)")


def use_installed_pyspark() -> None:
    """Take PySpark's and py4j's archives off the path where the package that holds them is importable itself.

    Those of another Spark (``SPARK_HOME``) stay. To be called before PySpark is imported.
    """
    archives = {path: found[1] for path in sys.path if (found := _OF_SPARK.fullmatch(path))}
    rest = [path for path in sys.path if path not in archives]
    packages = [PathFinder.find_spec(name, rest) for name in ("pyspark", "py4j")]
    homes = {str(Path(each.origin).parents[1]) if each and each.origin else None for each in packages}
    # py4j is installed beside PySpark, in the version that PySpark demands.
    if homes == set(archives.values()):
        sys.path[:] = rest
