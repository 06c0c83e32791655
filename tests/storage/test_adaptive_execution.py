"""Queries with few rows run as one Spark job."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.spark_jobs import jobs_of
from textclf.storage.queries.adaptive_execution import in_one_job


def test_a_query_with_two_shuffles_is_one_job_with_the_same_rows(spark: SparkSession) -> None:
    rows = spark.range(1000).withColumn("key", F.col("id") % 7)
    sums = rows.groupBy("key").agg(F.sum("id").alias("sum")).groupBy((F.col("key") % 2).alias("odd")).agg(F.max("sum"))
    found: dict[str, list[tuple[int, int]]] = {}

    def collected(name: str) -> None:
        query = in_one_job(sums) if name == "one" else sums
        found[name] = sorted(tuple(row) for row in query.collect())

    adaptive, one = (len(jobs_of(spark, lambda name=name: collected(name))) for name in ("adaptive", "one"))  # type: ignore[misc]

    assert found["one"] == found["adaptive"]
    assert one == 1 < adaptive
    assert spark.conf.get("spark.sql.adaptive.enabled") == "true"


def test_it_has_the_settings_of_its_session_as_they_are_now(spark: SparkSession) -> None:
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        (row,) = in_one_job(spark.range(1).select(F.current_timezone())).collect()
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    assert row[0] == "Asia/Tokyo"


@pytest.mark.parametrize(("partitions", "expected"), [(1, 1), (3, 3), (None, 2)])
def test_rows_are_shuffled_into_few_partitions(spark: SparkSession, partitions: int | None, expected: int) -> None:
    counted = spark.range(100).groupBy((F.col("id") % 10).alias("key")).count()
    assert in_one_job(counted, partitions).rdd.getNumPartitions() == expected
