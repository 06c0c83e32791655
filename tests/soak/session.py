"""The Spark session of the soaks that need one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from textclf.spark import open_session


@contextmanager
def soak_session(work: Path) -> Iterator[SparkSession]:
    """Open a session configured like that of the tests, for many small queries."""
    session = open_session(
        "textclf soak",
        {
            "spark.master": "local[2]",
            "spark.sql.warehouse.dir": str(work / "spark-warehouse"),
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.memory": "3g",
            "spark.driver.extraJavaOptions": "-Xms1g -Xmn512m -XX:MetaspaceSize=256m",
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        },
    )
    try:
        yield session
    finally:
        session.stop()
