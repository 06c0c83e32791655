"""A run killed while its record is written is recorded by the next run, since its locks are still held."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import SparkSession

from jobs import maintain_tables, nightly, run, search_models
from tests.factories.corpora import source_toml
from tests.factories.pipeline_folder import RunJob
from textclf.config import load_pipeline
from textclf.storage import Warehouse
from textclf.storage.leases.locks import LockLog
from textclf.storage.run_points import listening


def holders(spark: SparkSession, warehouse: Warehouse) -> set[str]:
    """Return the runs that hold a lock in a warehouse on the local disk."""
    leases = [LockLog(spark, str(each)).newest()[1] for each in Path(warehouse.locks(spark)).iterdir()]
    return {lease.run_id for lease in leases if lease is not None and not lease.free}


@pytest.mark.parametrize(
    ("module", "expected"),
    [(nightly, 3), (run, 3), (search_models, 3), (maintain_tables, 0)],
    ids=lambda value: value.__name__.rpartition(".")[2] if isinstance(value, ModuleType) else "",
)
def test_locks_are_given_back_after_the_record(
    spark: SparkSession, run_job: RunJob, write_config: Callable[[str], Path], module: ModuleType, expected: int
) -> None:
    config = write_config(source_toml("a") + '[score]\ninput = "nowhere"\n')
    warehouse, found = Warehouse.of(load_pipeline(config)), []
    with listening(lambda point: found.append(holders(spark, warehouse)) if point == "recorded" else None):
        code, record, said = run_job(module, "--config", config)
    assert code == expected, said
    assert found[-1] == {record["run_id"]}
    assert holders(spark, warehouse) == set()
