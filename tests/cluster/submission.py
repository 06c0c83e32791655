"""How the tests submit to the cluster: executors run in folders of their own, with the Python of the tests."""

import os
import sys


def submit_environ(**more: str) -> dict[str, str]:
    """The environment of ``spark-submit.sh``: this one, with this Python for driver and executors."""
    ours = {"TEXTCLF_PYTHON": sys.executable, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    return {**os.environ, **ours, **more}


def on_cluster(url: str) -> tuple[str, ...]:
    """Options of ``spark-submit.sh`` for a job on that master, whose workers have 1 GB of memory each."""
    return "--master", url, "--executor-memory", "600m", "--conf", "spark.driver.host=127.0.0.1"
