"""A worker's side of packed files: Arrow tables in, whole Parquet files out, each as one row.

Spark writes Parquet row by row, value by value. A worker has its rows in columns already, often with a dictionary, and
writes the same file in a fraction of the time; ``textclf.storage.stored_files`` lets Spark store its bytes.
"""

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext

MAGIC = b"PAR1"
"""The last four bytes of every Parquet file, which are left to whoever stores it (Apache Parquet, File Format)."""
FILE_BYTES = 64 << 20
"""A file of so many bytes is closed: the worker and the JVM hold one at a time whole."""
COLUMNS = "split int, number int, rows long, size long, statistics string, noted string, value binary"
"""What a packed row has beside the caller's own columns: which file of which task, its rows, its size in bytes, and in
JSON lowest and highest values and what the caller counted."""

_CODECS = {"uncompressed": "none", "lz4_raw": "lz4", "lzo": "snappy"}
_LONGEST = 32  # characters of a text that a statistic may have, as in Delta's own


def arrow_codec(spark_name: str) -> str:
    """Arrow's name for a value of ``spark.sql.parquet.compression.codec``; snappy for lzo, which it lacks."""
    return _CODECS.get(spark_name.lower(), spark_name.lower())


@dataclass
class _Open:
    sink: io.BytesIO
    writer: pq.ParquetWriter
    rows: int = 0
    size: int = 0
    noted: Counter[tuple[Any, ...]] = field(default_factory=Counter)


@dataclass
class Packer:
    """Parquet files of one task, kept open side by side.

    Attributes:
        columns: The caller's own columns, texts that say what a file holds; of each combination of their values there
            is one open file.
        codec: Compression, as Arrow calls it.
        statistics: Columns whose lowest and highest value each file notes.
        plain: Columns whose values seldom repeat. Arrow would put each value into a dictionary first, to give it up
            when that is too large: twice the time of a file, and a larger one.
    """

    columns: Sequence[str]
    codec: str = "snappy"
    statistics: Sequence[str] = ()
    plain: Sequence[str] = ()
    _open: dict[tuple[str | None, ...], _Open] = field(default_factory=dict)
    _numbers: int = 0
    _bytes: int = 0

    def write(
        self, key: tuple[str | None, ...], table: pa.Table, noted: Mapping[tuple[Any, ...], int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Add a row group to the file of those values; rows of files that are full.

        Columns of dictionaries need one dictionary for the whole table: each call makes a row group, which has its own.

        Args:
            noted: Counts of anything in these rows, added up for each file.
        """
        if key not in self._open:
            sink = io.BytesIO()
            self._open[key] = _Open(sink, self._writer(sink, table.schema))
        found = self._open[key]
        found.writer.write_table(table, row_group_size=max(len(table), 1))
        found.rows += len(table)
        found.noted.update(noted or {})
        grown = found.sink.tell() - found.size
        found.size, self._bytes = found.size + grown, self._bytes + grown
        if found.sink.tell() >= FILE_BYTES:
            yield self._close(key)
        # Many small files side by side are as heavy as one large one.
        while self._bytes > 2 * FILE_BYTES:
            yield self._close(max(self._open, key=lambda each: self._open[each].sink.tell()))

    def close(self) -> Iterator[pa.RecordBatch]:
        """Rows of the files that are still open."""
        while self._open:
            yield self._close(next(iter(self._open)))

    def _writer(self, sink: io.BytesIO, schema: pa.Schema) -> pq.ParquetWriter:
        noted: Any = [name for name in self.statistics if name in schema.names] or False
        repeated: Any = [name for name in schema.names if name not in self.plain] if self.plain else True
        # Without Arrow's own schema in the file, readers see what Spark would have written.
        return pq.ParquetWriter(
            sink, schema, compression=self.codec, use_dictionary=repeated, write_statistics=noted, store_schema=False
        )

    def _close(self, key: tuple[str | None, ...]) -> pa.RecordBatch:
        found = self._open.pop(key)
        self._bytes -= found.size
        found.writer.close()
        data = found.sink.getbuffer()
        context = TaskContext.get()
        row = {name: pa.array([value], pa.string()) for name, value in zip(self.columns, key, strict=True)}
        row["split"] = pa.array([context.partitionId() if context else 0], pa.int32())
        row["number"] = pa.array([self._numbers], pa.int32())
        row["rows"], row["size"] = pa.array([found.rows]), pa.array([len(data)])
        row["statistics"] = pa.array([json.dumps(self._statistics(data))])
        row["noted"] = pa.array([json.dumps([[*what, count] for what, count in found.noted.items()])])
        row["value"] = pa.array([data[: -len(MAGIC)]], pa.binary())
        self._numbers += 1
        return pa.record_batch(row)

    def _statistics(self, data: memoryview) -> dict[str, dict[str, Any]]:
        """Bounds of columns as Delta notes them (Delta protocol, Per-file Statistics)."""
        bounds: dict[str, dict[str, Any]] = {"minValues": {}, "maxValues": {}, "nullCount": {}}
        if not self.statistics:
            return {}
        metadata = pq.read_metadata(pa.BufferReader(data))
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        for place in range(metadata.num_columns):
            name = metadata.schema.column(place).path
            if name not in self.statistics:
                continue
            found = [group.column(place).statistics for group in groups]
            bounds["nullCount"][name] = sum(each.null_count for each in found)
            pair = _bounds([each for each in found if each.has_min_max])
            if pair is not None:
                bounds["minValues"][name], bounds["maxValues"][name] = pair
        return bounds


def _bounds(found: Sequence[Any]) -> tuple[Any, Any] | None:
    """Lowest and highest of some statistics; None of values whose order JSON cannot tell."""
    try:
        pair = min(each.min for each in found), max(each.max for each in found)
    except (ValueError, ArithmeticError):  # a text of any bytes; a day that Python has not; no statistics at all
        return None
    if all(type(value) is int for value in pair):
        return pair
    if all(type(value) is date for value in pair):
        return pair[0].isoformat(), pair[1].isoformat()
    return pair if all(isinstance(value, str) and len(value) <= _LONGEST for value in pair) else None
