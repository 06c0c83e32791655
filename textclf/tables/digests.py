"""Digests that tell whether files have changed, from what their file system says of them."""

from collections.abc import Sequence

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F


def digest_of(files: Column) -> Column:
    """An aggregate: SHA-256 over texts in any order, such as those of ``named``."""
    return F.sha2(F.concat_ws("\n", F.array_sort(F.collect_list(files))), 256)


def named(path: str, size: str, time: str) -> Column:
    """Path, size in bytes and time of the last change, columns of these names, as one text."""
    return F.concat_ws("|", F.col(path), F.col(size).cast("string"), F.unix_micros(F.col(time)).cast("string"))


def files_digest(spark: SparkSession, paths: Sequence[str]) -> str:
    """SHA-256 over path, size and time of the files that Spark finds at the paths; no file is opened."""
    # A binary file's content is not read where nobody selects it.
    listed = spark.read.format("binaryFile").load(list(paths))
    return str(
        listed.agg(digest_of(named("path", "length", "modificationTime")).alias("digest")).collect()[0]["digest"]
    )
