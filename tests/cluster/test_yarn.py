"""Jobs on a real YARN, with the driver here and there, write the same tables as a local run."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from pyarrow.fs import FileSelector
from pyspark.sql import SparkSession

from tests.cluster.chain import (
    CHAINS,
    DAY,
    ROOT,
    SEARCHED,
    TABLES,
    assert_nights_are_beside_the_tables,
    assert_same_models,
    in_order,
    run_chain_here,
    write_config,
    write_data,
)
from tests.cluster.submission import submit_environ
from tests.factories.corpora import invented
from tests.factories.yarn import QUEUE, Yarn, application_in, spark_settings, yarn_cluster
from textclf.common.file_systems import file_system
from textclf.spark.launch.cluster_store import FOLDER

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

_CONFIG = """
warehouse = "{warehouse}"
[[sources]]
name = "reviews"
path = "file:{folder}/reviews.tsv"
format = "tsv"
columns = ["text", "label"]
[search]
architecture = "logistic_regression"
[nightly]
build = "train"
late_days = 0
[score]
input = "file:{folder}/texts"
model = "reviews"
"""
CLIENT, CLUSTER = "client", "cluster"


@dataclass(frozen=True)
class Submitted:
    """What jobs are submitted with: the cluster, the file of Spark's settings and the folder of data."""

    yarn: Yarn
    properties: Path
    folder: Path

    def submit(self, mode: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run ``spark-submit.sh`` with the driver here (``client``) or in a container (``cluster``)."""
        environ = submit_environ(HADOOP_CONF_DIR=str(self.yarn.conf))
        del environ["PYSPARK_PYTHON"]  # executors get the environment as an archive
        command = [str(ROOT / "spark-submit.sh"), "--properties-file", str(self.properties), "--deploy-mode", mode]
        return subprocess.run([*command, *words], env=environ, capture_output=True, text=True, check=False)

    def config(self, name: str, warehouse: str) -> str:
        """Write a pipeline file for this warehouse and return its path."""
        path = self.folder / f"{name}.toml"
        path.write_text(_CONFIG.format(warehouse=warehouse, folder=self.folder))
        return str(path)


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Submitted]:
    """A running cluster, and 100 records and 100 texts as files of this machine, one of each to be rejected."""
    folder = tmp_path_factory.mktemp("yarn")
    rows = invented(99)
    lines = [*(f"{text}\t{label}" for text, label in rows), "a text without a label"]
    (folder / "reviews.tsv").write_text("\n".join(lines))
    (folder / "texts").mkdir()
    texts = pd.DataFrame({"id": range(100), "text": [*(text for text, _ in rows), None]})
    texts.to_parquet(folder / "texts" / "texts.parquet")
    properties = folder / "spark.conf"
    properties.write_text("".join(f"{name} {value}\n" for name, value in spark_settings().items()))
    with yarn_cluster(folder) as yarn:
        yield Submitted(yarn, properties, folder)


@pytest.fixture(scope="module")
def local(submitted: Submitted, spark: SparkSession) -> str:
    """The warehouse of a local night."""
    warehouse = f"{submitted.folder}/warehouse"
    run_chain_here("nightly", Path(submitted.config("local", warehouse)))
    return warehouse


def rows(spark: SparkSession, warehouse: str, table: str) -> pd.DataFrame:
    return in_order(spark.read.format("delta").load(f"{warehouse}/{table}").toPandas())


def assert_same(spark: SparkSession, warehouse: str, local: str, *tables: str) -> None:
    for table in tables:
        expected = rows(spark, local, table)
        assert len(expected) > 0
        pd.testing.assert_frame_equal(rows(spark, warehouse, table), expected, rtol=1e-5, obj=table)


def test_a_driver_here_writes_the_tables_of_a_local_night(
    submitted: Submitted, spark: SparkSession, local: str
) -> None:
    warehouse = f"{submitted.yarn.hdfs}/here"

    done = submitted.submit(CLIENT, "nightly", "--config", submitted.config("here", warehouse), "--date", DAY)

    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert (record["status"], record["spark_app_id"][:12]) == ("succeeded", "application_")
    assert_same(spark, warehouse, local, *TABLES, "results")
    # YARN alone distributes the environment and the jars: executors ask the driver for no file.
    logs = submitted.yarn.logs(record["spark_app_id"])
    assert "CoarseGrainedExecutorBackend" in logs
    assert "Fetching spark://" not in logs
    assert "Failed to add file" not in done.stderr


def test_a_driver_there_gets_the_pipeline_file_and_writes_the_same_corpus(
    submitted: Submitted, spark: SparkSession, local: str
) -> None:
    warehouse = f"{submitted.yarn.hdfs}/there"
    config = submitted.config("there, with a comma", warehouse)

    done = submitted.submit(CLUSTER, "--queue", QUEUE, "ingest_corpus", "--config", config)

    assert done.returncode == 0, done.stderr
    assert f"queue: root.{QUEUE}" in done.stderr
    record = json.loads(submitted.yarn.driver_output(application_in(done.stderr)).splitlines()[-1])
    assert (record["status"], record["input_rows"]) == ("succeeded", 100)
    assert_same(spark, warehouse, local, "corpus", "corpus_rejects")
    # The archive was sent once, for both jobs, whole and readable by everyone.
    files, folder = file_system(f"{submitted.yarn.hdfs}/user")
    sent = [found for found in files.get_file_info(FileSelector(folder, recursive=True)) if f"{FOLDER}/" in found.path]
    assert [found.base_name[-7:] for found in sent] == [".tar.gz"]
    assert "Not copying hdfs:" in done.stderr


@pytest.mark.long
def test_the_exit_code_of_a_driver_there_comes_back(submitted: Submitted) -> None:
    config = submitted.config("missing", f"{submitted.yarn.hdfs}/missing")
    Path(config).write_text(Path(config).read_text().replace("reviews.tsv", "nowhere.tsv"))

    done = submitted.submit(CLUSTER, "ingest_corpus", "--config", config)

    assert done.returncode == 3, done.stderr
    assert "nowhere.tsv" not in done.stdout
    assert "has ended with exit code 3; what the job said: yarn logs -applicationId application_" in done.stderr
    assert json.loads(submitted.yarn.driver_output(application_in(done.stderr)).splitlines()[-1])["status"] == "failed"


@pytest.mark.long
@pytest.mark.parametrize("mode", [CLIENT, CLUSTER])
def test_the_whole_chain(submitted: Submitted, spark: SparkSession, tmp_path: Path, mode: str) -> None:
    data, warehouse = tmp_path / "data", f"{submitted.yarn.hdfs}/whole-{mode}"
    write_data(data)
    config = write_config(tmp_path / "yarn", data, warehouse)
    config.write_text(config.read_text().replace(f'"{data}', f'"file:{data}'))
    here = write_config(tmp_path / "local", data, str(tmp_path / "warehouse"))

    for job, *flags in CHAINS["jobs"]:
        done = submitted.submit(mode, job, "--config", str(config), *flags)
        assert done.returncode == 0, f"{job}: {done.stderr}"

    run_chain_here("jobs", here)
    assert_same(spark, warehouse, str(tmp_path / "warehouse"), *TABLES, SEARCHED, "results")
    assert_same_models(warehouse, str(tmp_path / "warehouse"))
    assert_nights_are_beside_the_tables(warehouse, rows(spark, warehouse, "runs"))


@pytest.mark.long
def test_a_search_of_networks_ships_the_full_environment(submitted: Submitted) -> None:
    warehouse = f"{submitted.yarn.hdfs}/networks"
    config = submitted.config("networks", warehouse)
    network = 'architecture = "dense"\nstrategy = "grid"\nfolds = 2\nepochs = 1\nspace.units = [2]\n'
    Path(config).write_text(Path(config).read_text().replace('architecture = "logistic_regression"\n', network))
    for job in ("ingest_corpus", "build_vocabulary", "search_models"):
        done = submitted.submit(CLIENT, job, "--config", config)
        assert done.returncode == 0, f"{job}: {done.stderr}"
    assert json.loads(done.stdout.splitlines()[-1])["details"]["sources"]["reviews"]["trials"] > 0
