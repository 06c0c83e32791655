"""One Spark session for the whole run, a scratch warehouse for each test, and the real data if available."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.factories.hdfs import hdfs_cluster
from textclf.config import Pipeline, parse_pipeline
from textclf.spark import open_session
from textclf.spark.java import java_home
from textclf.spark.launch.class_archive import ClassArchiveError, make_archive

os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
# The C2 compiler costs more time than it saves in a JVM that lives for seconds.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
try:
    make_archive(java_home())  # for a checkout that was set up before set-up made one
except ClassArchiveError as problem:
    sys.stderr.write(f"{problem}\n")

_LONG_FILES = ("cluster", "jobs", "nightly", "notebooks", "search", "scoring", "training", "corpus")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders whose files take longest: a long file at the end leaves the other processes idle."""
    folders = [Path(__file__).parent / name for name in _LONG_FILES]
    items.sort(key=lambda item: not any(folder in item.path.parents for folder in folders))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = open_session(
        "textclf tests",
        {
            "spark.master": "local[2]",
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark-warehouse")),
            "spark.ui.showConsoleProgress": "false",  # keeps pytest's output readable
            "spark.driver.memory": "3g",
            # Start with large heap and metaspace, because growing them triggers many collections. C2 would take a
            # third of this JVM's time and not give it back while the tests last. With C1 alone the code cache is only
            # 48 MB, and once it is full all new code is interpreted.
            "spark.driver.extraJavaOptions": "-Xms1g -Xmn512m -XX:MetaspaceSize=256m -XX:ReservedCodeCacheSize=256m",
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
