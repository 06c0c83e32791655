"""Environment and options with which the tests submit jobs to the cluster."""

import os
import sys


def submit_environ(**more: str) -> dict[str, str]:
    """Return the environment of ``spark-submit.sh``: this one, with this Python for driver and executors."""
    ours = {"TEXTCLF_PYTHON": sys.executable, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    return {**os.environ, **ours, **more}


def on_cluster(url: str) -> tuple[str, ...]:
    """Return options of ``spark-submit.sh`` for a job on a master whose workers have 1 GB of memory each."""
    return "--master", url, "--executor-memory", "600m", "--conf", "spark.driver.host=127.0.0.1"
