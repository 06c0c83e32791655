"""The chain on a standalone cluster leaves the same tables as on one machine."""

import json
import subprocess
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from tests.cluster.submission import on_cluster, submit_environ
from tests.commands import assert_quiet
from tests.factories.corpora import sample_sources
from textclf.examples.sample_corpus import FIRST_DAY, write_labelled, write_unlabelled

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
DAY = FIRST_DAY.isoformat()
_CONFIG = """
warehouse = "{warehouse}"
{sources}
[search]
architecture = "logistic_regression"
[nightly]
build = "train"
[score]
input = "{data}/unlabelled"
source = "source"
date = "ds"
"""
_CHAINS = {
    "nightly": (("nightly", "--date", DAY),),  # the same steps in one application
    "jobs": (
        ("ingest_corpus",),
        ("build_vocabulary",),
        ("train_model", "--architecture", "logistic_regression"),
        ("score_table", "--date", DAY),
    ),
}
# They name a run, not a row.
_OF_THE_RUN = ["run_id", "model_digest"]


def _config(folder: Path, data: Path) -> Path:
    folder.mkdir()
    config = folder / "pipeline.toml"
    config.write_text(_CONFIG.format(warehouse=folder / "warehouse", sources=sample_sources(data), data=data))
    return config


def _submit_chain(chain: str, config: Path, *options: str) -> None:
    for job, *flags in _CHAINS[chain]:
        command = [str(ROOT / "spark-submit.sh"), *options, job, "--config", str(config), *flags]
        done = subprocess.run(command, env=submit_environ(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["status"] == "succeeded"
        assert_quiet(done.stderr)


def _run_chain_here(chain: str, config: Path) -> None:
    for job, *flags in _CHAINS[chain]:
        assert import_module(f"jobs.{job}").main(["--config", str(config), *flags]) == 0


@pytest.fixture(scope="module", params=["nightly", pytest.param("jobs", marks=pytest.mark.long)])
def warehouses(
    request: pytest.FixtureRequest, cluster: str, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Warehouse of the run on the cluster, warehouse of the run in the tests' own local session."""
    folder = tmp_path_factory.mktemp("chain")
    data = folder / "data"
    write_labelled(data)
    write_unlabelled(data / "unlabelled", 3000)
    clustered, local = _config(folder / "cluster", data), _config(folder / "local", data)
    _submit_chain(request.param, clustered, *on_cluster(cluster))
    _run_chain_here(request.param, local)
    return clustered.parent / "warehouse", local.parent / "warehouse"


def _rows(warehouse: Path, table: str) -> pd.DataFrame:
    """A table's rows in an order that only their content decides."""
    rows = DeltaTable(str(warehouse / table)).to_pandas()
    rows = rows.drop(columns=_OF_THE_RUN, errors="ignore")
    keys = rows.astype(str).apply("\x1f".join, axis=1)
    return rows.iloc[keys.argsort(kind="stable")].reset_index(drop=True)


@pytest.mark.parametrize("table", ["corpus", "corpus_rejects", "vocabulary", "tokens", "results_rejects"])
def test_a_table_of_the_cluster_equals_the_local_one(warehouses: tuple[Path, Path], table: str) -> None:
    clustered, local = (_rows(warehouse, table) for warehouse in warehouses)

    assert len(local) > 0
    pd.testing.assert_frame_equal(clustered, local)


def test_results_of_the_cluster_equal_the_local_ones(warehouses: tuple[Path, Path]) -> None:
    clustered, local = (_rows(warehouse, "results").sort_values("id", ignore_index=True) for warehouse in warehouses)

    unlabelled = pd.read_parquet(warehouses[0].parents[1] / "data/unlabelled")
    of_the_day = unlabelled[unlabelled["ds"] == FIRST_DAY]
    assert len(local) == len(of_the_day) - len(_rows(warehouses[1], "results_rejects")) > 0
    pd.testing.assert_frame_equal(clustered, local, rtol=1e-5)


def test_the_jobs_ran_on_the_cluster(warehouses: tuple[Path, Path]) -> None:
    runs = DeltaTable(str(warehouses[0] / "runs")).to_pandas()

    # A standalone master gives out identifiers of this form; a local run's begins with "local-".
    assert runs["spark_app_id"].str.startswith("app-").all()
