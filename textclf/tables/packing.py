"""A worker's side of packed files: Arrow tables in, whole Parquet files out, each as one row.

Spark writes Parquet row by row, value by value. A worker has its rows in columns already, often with a dictionary, and
writes the same file in a fraction of the time; ``textclf.tables.packed`` lets Spark store its bytes.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext

MAGIC = b"PAR1"
"""The last four bytes of every Parquet file, which are left to whoever stores it (Apache Parquet, File Format)."""
FILE_BYTES = 64 << 20
"""A file of so many bytes is closed: the worker and the JVM hold one at a time whole."""
COLUMNS = "split int, number int, rows long, size long, value binary"
"""What a packed row has beside the caller's own columns: which file of which task, its rows, its size in bytes."""

_CODECS = {"uncompressed": "none", "lz4_raw": "lz4", "lzo": "snappy"}


def arrow_codec(spark_name: str) -> str:
    """Arrow's name for a value of ``spark.sql.parquet.compression.codec``; snappy for lzo, which it lacks."""
    return _CODECS.get(spark_name.lower(), spark_name.lower())


@dataclass
class _Open:
    sink: io.BytesIO
    writer: pq.ParquetWriter
    rows: int = 0


@dataclass
class Packer:
    """Parquet files of one task, kept open side by side.

    Attributes:
        columns: Arrow's types of the caller's own columns, which say what a file holds; of each combination of their
            values there is one open file.
        codec: Compression, as Arrow calls it.
        statistics: Columns whose lowest and highest value each row group notes.
    """

    columns: Mapping[str, pa.DataType]
    codec: str = "snappy"
    statistics: Sequence[str] = ()
    _open: dict[tuple[Any, ...], _Open] = field(default_factory=dict)
    _numbers: int = 0

    def write(self, key: tuple[Any, ...], table: pa.Table) -> Iterator[pa.RecordBatch]:
        """Add a row group to the file of those values; rows of files that are full.

        Columns of dictionaries need one dictionary for the whole table: each call makes a row group, which has its own.
        """
        if key not in self._open:
            sink = io.BytesIO()
            self._open[key] = _Open(sink, self._writer(sink, table.schema))
        found = self._open[key]
        found.writer.write_table(table, row_group_size=max(len(table), 1))
        found.rows += len(table)
        if found.sink.tell() >= FILE_BYTES:
            yield self._close(key)
        # Many small files side by side are as heavy as one large one.
        while sum(each.sink.tell() for each in self._open.values()) > 2 * FILE_BYTES:
            yield self._close(max(self._open, key=lambda each: self._open[each].sink.tell()))

    def close(self) -> Iterator[pa.RecordBatch]:
        """Rows of the files that are still open."""
        while self._open:
            yield self._close(next(iter(self._open)))

    def _writer(self, sink: io.BytesIO, schema: pa.Schema) -> pq.ParquetWriter:
        noted: Any = list(self.statistics) or False
        # Without Arrow's own schema in the file, readers see what Spark would have written.
        return pq.ParquetWriter(sink, schema, compression=self.codec, write_statistics=noted, store_schema=False)

    def _close(self, key: tuple[Any, ...]) -> pa.RecordBatch:
        found = self._open.pop(key)
        found.writer.close()
        data = found.sink.getbuffer()
        context = TaskContext.get()
        row: dict[str, pa.Array] = {
            name: pa.array([value], kind) for (name, kind), value in zip(self.columns.items(), key, strict=True)
        }
        row["split"] = pa.array([context.partitionId() if context else 0], pa.int32())
        row["number"] = pa.array([self._numbers], pa.int32())
        row["rows"], row["size"] = pa.array([found.rows]), pa.array([len(data)])
        row["value"] = pa.array([data[: -len(MAGIC)]], pa.binary())
        self._numbers += 1
        return pa.record_batch(row)
