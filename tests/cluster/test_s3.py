"""A nightly run on S3, set up as users do it, writes the same tables as a local run, and commands read them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from tests.cluster.chain import (
    SEARCHED,
    TABLES,
    assert_nights_are_beside_the_tables,
    assert_same_models,
    in_order,
    run_chain_here,
    submit_chain,
    write_config,
    write_data,
)
from tests.cluster_jars import S3, cluster_jars
from tests.factories.s3 import BUCKET, s3_server, s3a_settings
from tests.processes import free_port, run_module
from textclf.artifact import ModelStore
from textclf.common.spark_settings import PROPERTIES, s3_settings

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]
WAREHOUSE = f"s3a://{BUCKET}/some/warehouse"


@dataclass(frozen=True)
class Stored:
    """The pipeline file of the run on S3, the local run's warehouse, the file of Spark's settings, and the server."""

    config: Path
    local: Path
    properties: Path
    endpoint: str

    def command(self, *words: str) -> str:
        """Run a ``textclf`` command with the file of Spark's settings and return its standard output."""
        command = [sys.executable, "-m", "textclf", *words, "--properties-file", str(self.properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module", params=["nightly", pytest.param("jobs", marks=pytest.mark.long)])
def stored(
    request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stored]:
    """Both warehouses after their runs; commands of this process use the settings of S3."""
    folder = tmp_path_factory.mktemp("s3")
    write_data(folder / "data")
    with s3_server(free_port()) as endpoint, pytest.MonkeyPatch.context() as patch:
        properties = folder / "s3.conf"
        settings = s3a_settings(endpoint) | {"spark.master": "local[2]", "spark.ui.enabled": "false"}
        settings |= {"spark.jars": ",".join(map(str, cluster_jars(S3)))}
        properties.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        config = write_config(folder / "config", folder / "data", WAREHOUSE)
        local = write_config(folder / "local", folder / "data", str(folder / "local" / "warehouse"))
        submit_chain(request.param, config, "--properties-file", str(properties))
        run_chain_here(request.param, local)
        patch.setenv(PROPERTIES, str(properties))
        yield Stored(config, local.parent / "warehouse", properties, endpoint)


def rows(warehouse: str, table: str) -> pd.DataFrame:
    found = s3_settings(warehouse)
    options = None if found is None else found.for_deltalake()
    return in_order(DeltaTable(f"{warehouse}/{table}", storage_options=options).to_pandas())


@pytest.mark.parametrize("table", TABLES)
def test_a_table_on_s3_equals_the_local_one(stored: Stored, table: str) -> None:
    local = rows(str(stored.local), table)

    assert len(local) > 0
    pd.testing.assert_frame_equal(rows(WAREHOUSE, table), local)


@pytest.mark.long
@pytest.mark.parametrize("stored", ["jobs"], indirect=True)
def test_trials_on_s3_equal_the_local_ones(stored: Stored) -> None:
    local = rows(str(stored.local), SEARCHED)

    assert len(local) > 0
    pd.testing.assert_frame_equal(rows(WAREHOUSE, SEARCHED), local)


def test_results_on_s3_equal_the_local_ones(stored: Stored) -> None:
    found, local = (
        rows(place, "results").sort_values("id", ignore_index=True) for place in (WAREHOUSE, str(stored.local))
    )

    assert len(local) > 0
    pd.testing.assert_frame_equal(found, local)


def test_models_pages_and_the_status_file_are_beside_the_tables(stored: Stored) -> None:
    assert_same_models(WAREHOUSE, str(stored.local))
    runs = rows(WAREHOUSE, "runs")
    assert len(runs.query("job == 'nightly'")) == 1
    assert_nights_are_beside_the_tables(WAREHOUSE, runs)


@pytest.mark.long  # starts Spark again; every run tests the check on HDFS
def test_the_check_tries_the_storage(stored: Stored, tmp_path: Path) -> None:
    (tmp_path / "spark-defaults.conf").write_bytes(stored.properties.read_bytes())
    command = [sys.executable, "-m", "textclf", "check", "--config", str(stored.config), "--spark", "--json"]
    environ = {**os.environ, "SPARK_CONF_DIR": str(tmp_path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=300)

    checks = {check["name"]: check for check in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode, checks["storage"]["verdict"]) == (0, "ok"), done.stdout + done.stderr
    assert f"{WAREHOUSE}: can write, replace, create once, list, rename, delete" in checks["storage"]["found"]
    assert checks["models"]["verdict"] == "ok"


def test_commands_without_spark_open_what_the_jobs_wrote(stored: Stored) -> None:
    listed = stored.command("models", "list", "--config", str(stored.config))
    assert all(name in listed for name in ModelStore(f"{stored.local}/models").names())
    counted = stored.command(
        "query", "SELECT count(*) AS n FROM results", "--config", str(stored.config), "--format", "csv"
    )
    assert counted.split() == ["n", str(len(rows(str(stored.local), "results")))]
    model = ModelStore(f"{stored.local}/models").names()[0]
    said = stored.command("predict", "--models", f"{WAREHOUSE}/models", "--model", model, "a good place")
    assert said == stored.command("predict", "--models", f"{stored.local}/models", "--model", model, "a good place")


def test_a_commit_on_s3_has_one_writer_whatever_becomes_of_the_answers(stored: Stored) -> None:
    found = json.loads(run_module("tests.cluster.s3_commits_process", stored.endpoint).stdout.splitlines()[-1])
    taken = "FileAlreadyExistsException"
    assert found.pop("first") == ["written", taken]
    assert found.pop("partly visible") is False
    assert found.pop("of four") == [taken] * 3 + ["written"]
    assert (found.pop("safe"), found.pop("safe again")) == ("", ["", 1])
    assert found.pop("beside delta-rs") == {
        "theirs": True,
        "missing rows": 0,
        "missing commits": 0,
        "one was late": True,
    }
    assert "it replaced an object that was to be created only once" in found.pop("a service without conditions")
    assert "python -m textclf.spark.launch.provision" in found.pop("no companion")
    assert "This storage cannot be written." in (said := found.pop("no bucket"))
    assert "SingleDriver" not in said
    assert "write s3a:// instead" in found.pop("no scheme")
    assert set(found.pop("identities")) == {f"s3a://{BUCKET}/commits/t"}
    assert found == {
        name: taken if name.endswith("there") else "written"
        for fault in ("lost", "busy", "slow")
        for name in (fault, f"{fault}, of one that is there")
    }
