"""Digests that show whether files have changed, made from their metadata in the file system."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def digest_of(files: Column) -> Column:
    """Aggregate strings, such as those of ``named``, into a SHA-256 that does not depend on their order."""
    return F.sha2(F.concat_ws("\n", F.array_sort(F.collect_list(files))), 256)


def named(path: Column, size: Column, time: Column) -> Column:
    """Join path, size in bytes and modification time into one string; ``Listing.digest`` does the same in Python."""
    return F.concat_ws("|", path, size.cast("string"), F.unix_micros(time).cast("string"))
