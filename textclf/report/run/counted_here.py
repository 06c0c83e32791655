"""Counts of a small table of results, made in the driver: a query of few rows costs Spark seconds in a new session."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, StringType, StructField, StructType

from textclf.quality.score_bins import BINS
from textclf.storage import Location
from textclf.storage.queries.small_tables import small_table

_COLUMNS = StructType(
    [
        StructField("run_id", StringType()),
        StructField("source", StringType()),
        StructField("ds", StringType()),  # as Delta's log has the values of a partition column
        StructField("label", StringType()),
        StructField("score", DoubleType()),
    ]
)


@dataclass(frozen=True)
class Count:
    """Rows of one run, source, day, label and bin of the score.

    Attributes:
        run_id: Run that published the rows.
        source: Their source; None if they have none.
        ds: Their day; None if they have none.
        label: Their label.
        bin: Bin of their scores.
        rows: Number of rows.
        sum: Sum of their scores.
    """

    run_id: str | None
    source: str | None
    ds: date | None
    label: str | None
    bin: int
    rows: int
    sum: float


def counted_here(spark: SparkSession, place: Location) -> list[Count] | None:
    """Count the rows of a table of results in the driver.

    Args:
        spark: An open session.
        place: Location of the table.

    Returns:
        The counts; None if Spark has to count: the table is large, has a score that is missing or no number, or asks
        more of its readers than plain Parquet.
    """
    snapshot = place.snapshot(spark)
    rows = None if snapshot is None else small_table(spark, place, snapshot, _COLUMNS)
    if rows is None or rows["score"].null_count or not pc.all(pc.is_finite(rows["score"]), min_count=0).as_py():
        return None
    bins = np.clip(np.ceil(rows["score"].to_numpy() * BINS) - 1, 0, BINS - 1).astype(np.int32)  # as audit.bin_of
    keys = ["run_id", "source", "ds", "label", "bin"]
    counted = rows.append_column("bin", pa.array(bins)).group_by(keys).aggregate([([], "count_all"), ("score", "sum")])
    named = counted.rename_columns({"count_all": "rows", "score_sum": "sum"})
    days = {day: None if day is None else date.fromisoformat(day) for day in named["ds"].unique().to_pylist()}
    return [Count(**group | {"ds": days[group["ds"]]}) for group in named.to_pylist()]
