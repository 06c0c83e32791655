"""Digests that tell whether files have changed, from what their file system says of them."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def digest_of(files: Column) -> Column:
    """An aggregate: SHA-256 over texts in any order, such as those of ``named``."""
    return F.sha2(F.concat_ws("\n", F.array_sort(F.collect_list(files))), 256)


def named(path: Column, size: Column, time: Column) -> Column:
    """Path, size in bytes and time of the last change as one text; ``Listing.digest`` makes the same in Python."""
    return F.concat_ws("|", path, size.cast("string"), F.unix_micros(time).cast("string"))
