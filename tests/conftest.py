"""One Spark session for the whole run, a scratch warehouse for each test, and the real data if available."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.class_archive import java_options
from tests.factories.hdfs import hdfs_cluster
from textclf.config import Pipeline, parse_pipeline
from textclf.spark import open_session

os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
if "JDK_JAVA_OPTIONS" not in os.environ:
    os.environ["JDK_JAVA_OPTIONS"] = java_options()

# Rooms whose tests start sessions, clusters and notebooks of their own, and so are few and slow.
_SLOW = ("tests/cluster", "tests/chain", "tests/jobs", "tests/notebooks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow rooms: a file of theirs that is begun last would leave the other processes idle."""
    items.sort(key=lambda item: not item.nodeid.startswith(_SLOW))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = open_session(
        "textclf tests",
        {
            "spark.master": "local[2]",
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark-warehouse")),
            "spark.ui.showConsoleProgress": "false",  # keeps pytest's output readable
            "spark.driver.memory": "3g",
            # Start with large heap and metaspace, because growing them triggers many collections. All tests of a
            # process share this JVM, so it has more room for compiled code than a job: once that is full, Java
            # interprets all new code.
            "spark.driver.extraJavaOptions": "-Xms2g -Xmn1g -XX:MetaspaceSize=256m -XX:ReservedCodeCacheSize=512m",
            # Code generation costs more than a query of ten rows. Jobs run in separate processes still use it.
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        },
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a folder on a real HDFS, which any JVM with Spark's jars can open."""
    with hdfs_cluster(tmp_path_factory.mktemp("hdfs")) as url:
        yield f"{url}/tests"


@pytest.fixture
def data() -> Path:
    """Return the folder of the real data sets; skip the test if it is not set."""
    folder = os.environ.get("TEXTCLF_DATA")
    if not folder:
        pytest.skip("TEXTCLF_DATA is not set: needs the real data sets")
    return Path(folder).resolve()


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a pipeline file with this body and the warehouse ``tmp_path / "warehouse"``."""

    def write(body: str) -> Path:
        path = tmp_path / "pipeline.toml"
        path.write_text(f'warehouse = "{tmp_path / "warehouse"}"\n{body}', encoding="utf-8")
        return path

    return write


@pytest.fixture
def make_pipeline(tmp_path: Path) -> Callable[[str], Pipeline]:
    """Like ``write_config``, but the function returns the validated pipeline."""

    def make(body: str) -> Pipeline:
        return parse_pipeline(f'warehouse = "{tmp_path / "warehouse"}"\n{body}')

    return make


@pytest.fixture
def run_job(spark: SparkSession, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Run a job's ``main`` in-process; return exit code, run record (last line of stdout) and standard error."""

    def run(module: ModuleType, *argv: object) -> tuple[int, dict[str, Any], str]:
        capfd.readouterr()
        try:
            code = module.main([str(word) for word in argv])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capfd.readouterr()
        last = out.strip().rpartition("\n")[2]
        return code, json.loads(last) if last.startswith("{") else {}, err

    return run
