"""Formats whose records are rows with columns: ``parquet`` and ``delta``.

How they are read is in ``textclf.corpus.first_look`` and, without Spark, in ``textclf.corpus.local.tables``.
"""

from textclf.formats.base import SourceFormat


class Parquet(SourceFormat):
    """Parquet files; the names of their folders may be columns, too."""

    name = "parquet"
    columnar = True
    keys = frozenset({"partition_types"})


class Delta(SourceFormat):
    """A Delta table, which knows its own files."""

    name = "delta"
    columnar = True
    files = False
