"""Locks of a run, which its commits and its record check."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from textclf.runs.record import RunRecord
from textclf.storage.leases.fence import Fence
from textclf.storage.leases.locks import Locks, locked
from textclf.storage.warehouse import Location, Warehouse


@contextmanager
def run_locked(
    spark: SparkSession, warehouse: Warehouse, output: Location, run: RunRecord, lease: float
) -> Iterator[Locks]:
    """Take locks for a run as ``locked`` does; from here on its commits and its record check them. See ``Fence``."""
    with locked(spark, warehouse.locks(spark), str(output), run.run_id, run.job, lease) as locks:
        run.fence = Fence(run.run_id, locks.check, again=run.fence.run_id is not None)
        yield locks
