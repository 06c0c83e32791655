"""Rejects of refused deliveries: the newest delivery of each source, kept as long as rows of refused runs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from textclf.config import Upkeep
from textclf.spark.failures import READ_FAILURES
from textclf.storage.commit_retry import retried
from textclf.storage.conditions import of_sources
from textclf.storage.schemas import CORPUS_REFUSED, CORPUS_REJECTS
from textclf.storage.warehouse import Location, Warehouse


def keep_refused(warehouse: Warehouse, rejects: DataFrame, sources: Sequence[str], run_id: str) -> None:
    """Replace the sources' rows of ``corpus_refused`` by the given rejects.

    The table holds at most one delivery of a source. A delivery that stays refused is read again each night; rejects
    that are in the table already are not written again and keep the identifier of the run that wrote them.

    Args:
        rejects: Rows with the columns of ``corpus_rejects``. Rows of sources that are not in ``sources`` are ignored.
    """
    place = warehouse.location(CORPUS_REFUSED.name)
    ours = rejects.where(of_sources(sources).column)
    found, there = _content(ours), _there(rejects.sparkSession, place, sources)
    new = [name for name in sources if found.get(name) != there.get(name)]
    if new:
        rows = ours.where(of_sources(new).column).withColumn("run_id", F.lit(run_id))
        retried(lambda: place.replace(rows, CORPUS_REFUSED, of_sources(new)))


def _there(spark: SparkSession, place: Location, sources: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return ``_content`` of the table's rows of the sources."""
    if not place.exists(spark):
        return {}
    try:
        return _content(place.read(spark).where(of_sources(sources).column))
    except READ_FAILURES:  # damaged rows are replaced
        return {}


def _content(rows: DataFrame) -> dict[str, tuple[int, int]]:
    """Number of rejects of each source, and a digest of them that does not depend on their order."""
    digest = F.bit_xor(F.xxhash64(*(name for name in CORPUS_REJECTS.columns if name != "source")))
    return {row[0]: (row[1], row[2]) for row in rows.groupBy("source").agg(F.count(F.lit(1)), digest).collect()}


def prune_refused(spark: SparkSession, warehouse: Warehouse, upkeep: Upkeep) -> bool:
    """Remove rows of runs that are older than the retention. Returns whether there were any."""
    place = warehouse.location(CORPUS_REFUSED.name)
    if not place.exists(spark):
        return False
    first = datetime.now(UTC) - timedelta(days=upkeep.retention_days)
    old = F.col("run_id") < f"{first:%Y%m%dT%H%M%S}"  # identifiers of runs begin with their time
    if place.read(spark).where(old).isEmpty():
        return False
    retried(lambda: place.delta(spark).delete(old))
    return True
