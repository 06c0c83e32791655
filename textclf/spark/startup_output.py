"""What Java, Spark and TensorFlow say at every start although nothing is wrong: told to be silent where they are asked.

Nothing is filtered from a stream, so that whatever else they say is seen. A user's own settings win.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway

from textclf.common.spark_settings import spark_home
from textclf.spark.launch.class_archive import START_DRIVER

LOG4J = "LOG4J_CONFIGURATION_FILE"
"""Log4j's environment variable for its configuration; Java options of the driver come before it."""
_ITS_OWN = ("log4j2.properties", "log4j2.xml", "log4j2.yaml", "log4j2.yml", "log4j2.json", "log4j2.jsn")


def log4j_variable(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variable that makes the driver's Java use our Log4j configuration.

    Args:
        environ: Environment of the driver.

    Returns:
        Variable by name; empty if the user has a configuration, in the environment or in Spark's folder of settings.
    """
    folder = Path(environ.get("SPARK_CONF_DIR") or Path(environ.get("SPARK_HOME") or spark_home(), "conf"))
    file = log4j_file()
    if environ.get(LOG4J) or file is None or any((folder / name).exists() for name in _ITS_OWN):
        return {}
    return {LOG4J: file.as_uri()}


def log4j_file() -> Path | None:
    """Return our Log4j configuration: that of the checkout, or the one that the package was installed with."""
    package = Path(__file__).parents[1]
    found = [package.parent / "conf" / "log4j2.properties", package / "conf" / "log4j2.properties"]
    return next((file for file in found if file.exists()), None)


def start_jvm(conf: SparkConf) -> None:
    """Start the driver's JVM, unless it runs already or spark-submit has started this process.

    Args:
        conf: Settings of the session, which the JVM gets on its command line.
    """
    runs = SparkContext._gateway is not None or "PYSPARK_GATEWAY_PORT" in os.environ
    if runs or not os.access(START_DRIVER, os.X_OK):
        return
    with _variables({"SPARK_HOME": os.environ.get("SPARK_HOME") or str(spark_home()), **log4j_variable(os.environ)}):
        launch: Any = launch_gateway  # which PySpark does not type
        SparkContext._ensure_initialized(gateway=launch(conf, {"executable": str(START_DRIVER)}))


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that start inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
