"""What was rejected of deliveries that were not published: kept by run for a look, as long as refused rows are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from textclf.config import Upkeep
from textclf.tables.conditions import Condition
from textclf.tables.retry import retried
from textclf.tables.schemas import CORPUS_REFUSED
from textclf.tables.warehouse import Warehouse


def keep_refused(warehouse: Warehouse, rejects: DataFrame, sources: Sequence[str], run_id: str) -> None:
    """Put the sources' rejects into the table, in the place of what an earlier attempt of the run put there.

    Args:
        rejects: Rows with the columns of ``corpus_rejects``, perhaps of other sources, too.
    """
    place = warehouse.location(CORPUS_REFUSED.name)
    ours = Condition(({"source": sources, "run_id": [run_id]},))
    rows = rejects.where(F.col("source").isin(list(sources))).withColumn("run_id", F.lit(run_id))
    retried(lambda: place.replace(rows, CORPUS_REFUSED, ours))


def prune_refused(spark: SparkSession, warehouse: Warehouse, upkeep: Upkeep) -> bool:
    """Remove what runs before the retention left; whether there was something."""
    place = warehouse.location(CORPUS_REFUSED.name)
    if not place.exists(spark):
        return False
    first = datetime.now(UTC) - timedelta(days=upkeep.retention_days)
    old = F.col("run_id") < f"{first:%Y%m%dT%H%M%S}"  # identifiers of runs begin with their time
    if place.read(spark).where(old).isEmpty():
        return False
    retried(lambda: place.delta(spark).delete(old))
    return True
