"""One Spark session for the whole run, a scratch warehouse for each test, real data where it is given."""

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


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = open_session(
        "textclf tests",
        {
            "spark.master": "local[2]",
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark-warehouse")),
            "spark.ui.showConsoleProgress": "false",  # keeps pytest's output readable
            "spark.driver.memory": "3g",
            # Room from the start: heaps and class spaces that grow are collected again and again. Unlike those of
            # jobs, this JVM lives for as long as the tests: the second compiler pays, and the first alone has room for
            # 48 MB of code, after which everything new is interpreted.
            "spark.driver.extraJavaOptions": "-Xms1g -Xmn512m -XX:MetaspaceSize=256m"
            " -XX:TieredStopAtLevel=4 -XX:ReservedCodeCacheSize=512m",
            # Java made for a query costs more than a query of ten rows; jobs in processes of their own have it made.
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        },
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a folder on a real HDFS, which any JVM with Spark's jars can open."""
    with hdfs_cluster(tmp_path_factory.mktemp("hdfs")) as url:
        yield f"{url}/tests"


@pytest.fixture
def data() -> Path:
    """Folder of the real data sets; tests that need it are skipped without it."""
    folder = os.environ.get("TEXTCLF_DATA")
    if not folder:
        pytest.skip("TEXTCLF_DATA is not set: needs the real data sets")
    return Path(folder).resolve()


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[[str], Path]:
    """Write a pipeline file whose warehouse is ``tmp_path / "warehouse"``; give the rest of it."""

    def write(body: str) -> Path:
        path = tmp_path / "pipeline.toml"
        path.write_text(f'warehouse = "{tmp_path / "warehouse"}"\n{body}', encoding="utf-8")
        return path

    return write


@pytest.fixture
def make_pipeline(tmp_path: Path) -> Callable[[str], Pipeline]:
    """As ``write_config``, but the validated pipeline itself."""

    def make(body: str) -> Pipeline:
        return parse_pipeline(f'warehouse = "{tmp_path / "warehouse"}"\n{body}')

    return make


@pytest.fixture
def run_job(spark: SparkSession, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Run a job's ``main`` in this process: exit code, run record (last line on stdout), standard error."""

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
