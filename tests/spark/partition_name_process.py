"""Write a Delta table of one row, partitioned by source: ``python -m tests.spark.partition_name_process PATH SOURCE``.

The source is passed as UTF-8 in hexadecimal, because the C locale could alter a plain argument.
"""

import sys

from pyspark.sql import functions as F

from textclf.spark import open_session


def main(path: str, source: str) -> None:
    spark = open_session("names", {"spark.master": "local[1]"})
    table = spark.range(1).withColumn("source", F.lit(bytes.fromhex(source).decode()))
    table.write.format("delta").partitionBy("source").save(path)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
