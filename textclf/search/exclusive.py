"""One search of a source at a time: two would train the same trials and crown two winners."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark.sql import SparkSession

from textclf.tables import RunRecord, Warehouse
from textclf.tables.history import record_killed
from textclf.tables.lock import Locks, run_locked, searched
from textclf.tables.schemas import TRIALS


@contextmanager
def sources_locked(
    spark: SparkSession, warehouse: Warehouse, sources: Sequence[str], search: RunRecord, lease: float
) -> Iterator[Locks]:
    """The locks on the searches of these sources; a search that was killed holding one gets its record.

    Args:
        search: Its commits and its record look at these locks from here on.
        lease: Seconds after which the lock of a search without a sign of life is free.

    Raises:
        LockError: Another search has one of the sources.
    """
    place = warehouse.location(TRIALS.name)
    with run_locked(spark, warehouse, place, search, lease) as locks:
        locks.take(map(searched, sources))
        record_killed(spark, warehouse, locks, place)
        yield locks
