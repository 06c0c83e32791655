"""The chain writes the same tables on a standalone cluster, also with a warehouse on HDFS, as on one machine.

All long: a night on a cluster is also in ``test_new_files``, and one on HDFS in ``test_yarn``.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
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
from tests.cluster.submission import on_cluster
from textclf.examples.sample_corpus import FIRST_DAY

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(2400)]


@dataclass(frozen=True)
class Warehouses:
    """The warehouses of a run on the cluster and of a local run, and the folder of their data."""

    spark: SparkSession
    clustered: str
    local: str
    data: Path

    def rows(self, table: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the rows of a table in both warehouses, sorted by content."""
        return self._rows(self.clustered, table), self._rows(self.local, table)

    def _rows(self, warehouse: str, table: str) -> pd.DataFrame:
        return in_order(self.spark.read.format("delta").load(f"{warehouse}/{table}").toPandas())


@pytest.fixture(scope="module", params=[("nightly", "local"), ("jobs", "hdfs")], ids="-".join)
def warehouses(
    request: pytest.FixtureRequest, cluster: str, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Warehouses:
    """The warehouses after a run on the cluster and a local run."""
    chain, storage = request.param
    folder = tmp_path_factory.mktemp("chain")
    data = folder / "data"
    write_data(data)
    clustered = f"{request.getfixturevalue('hdfs')}/chain" if storage == "hdfs" else f"{folder}/cluster/warehouse"
    both = Warehouses(spark, clustered, f"{folder}/local/warehouse", data)
    submit_chain(chain, write_config(folder / "cluster", data, both.clustered), *on_cluster(cluster))
    run_chain_here(chain, write_config(folder / "local", data, both.local))
    return both


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_the_cluster_equals_the_local_one(warehouses: Warehouses, table: str) -> None:
    clustered, local = warehouses.rows(table)

    assert len(local) > 0
    pd.testing.assert_frame_equal(clustered, local)


@pytest.mark.parametrize("warehouses", [("jobs", "hdfs")], indirect=True, ids="-".join)
def test_trials_of_the_cluster_equal_the_local_ones(warehouses: Warehouses) -> None:
    clustered, local = warehouses.rows(SEARCHED)

    assert len(local) > 0
    pd.testing.assert_frame_equal(clustered, local)


def test_results_of_the_cluster_equal_the_local_ones(warehouses: Warehouses) -> None:
    clustered, local = (rows.sort_values("id", ignore_index=True) for rows in warehouses.rows("results"))

    unlabelled = pd.read_parquet(warehouses.data / "unlabelled")
    of_the_day = unlabelled[unlabelled["ds"] == FIRST_DAY]
    assert len(local) == len(of_the_day) - len(warehouses.rows("results_rejects")[1]) > 0
    pd.testing.assert_frame_equal(clustered, local, rtol=1e-5)


def test_models_pages_and_the_status_file_are_beside_the_tables(warehouses: Warehouses) -> None:
    assert_same_models(warehouses.clustered, warehouses.local)
    for place, runs in zip((warehouses.clustered, warehouses.local), warehouses.rows("runs"), strict=True):
        assert_nights_are_beside_the_tables(place, runs)


def test_the_jobs_ran_on_the_cluster(warehouses: Warehouses) -> None:
    runs = warehouses.rows("runs")[0]

    # A standalone master assigns identifiers of this form; those of local runs begin with "local-".
    assert runs["spark_app_id"].str.startswith("app-").all()
