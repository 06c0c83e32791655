"""Queries without adaptive execution, for plans in which there is nothing to adapt.

Adaptive execution runs each stage of a query as a Spark job of its own, because the next stage is planned by what the
stage has written. Where a query ends in a few rows, planning costs more than it can save.
"""

from pyspark.sql import DataFrame

from textclf.common.java_classes import JavaClasses

_SHUFFLED_BY = 2  # partitions for each slot, at most: the default of 200 is for tables, not for a few rows


def in_one_job(rows: DataFrame, partitions: int | None = None) -> DataFrame:
    """Plan a query anew without adaptive execution, so that its stages are one Spark job.

    An ``Observation`` of the rows would never be filled.

    Args:
        rows: The query. Settings of its session apply, as they are now.
        partitions: Number of partitions after a shuffle; by default at most two for each slot.

    Returns:
        The same query, in a session of its own.
    """
    spark = rows.sparkSession
    jvm = JavaClasses(spark._jvm)
    session = spark._jsparkSession.cloneSession()
    most = _SHUFFLED_BY * spark.sparkContext.defaultParallelism
    usual = min(int(spark.conf.get("spark.sql.shuffle.partitions") or most), most)
    session.conf().set("spark.sql.adaptive.enabled", "false")
    session.conf().set("spark.sql.shuffle.partitions", str(partitions or usual))
    plan = rows._jdf.queryExecution().analyzed()
    return DataFrame(jvm.org.apache.spark.sql.classic.Dataset.ofRows(session, plan), spark)
