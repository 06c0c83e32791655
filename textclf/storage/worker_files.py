"""Pack Arrow tables into whole Parquet files on a worker, each file as one row.

Spark writes Parquet row by row and value by value. A worker has its rows in columns already, often with a dictionary,
and writes the same file in a fraction of the time. ``textclf.storage.stored_files`` lets Spark store the file's bytes.
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
"""The last four bytes of every Parquet file, which the writer of the stored file adds (Apache Parquet, File Format)."""
FILE_BYTES = 64 << 20
"""Size in bytes at which a file is closed: the worker and the JVM hold one whole file in memory at a time."""
COLUMNS = "split int, number int, rows long, size long, statistics string, noted string, value binary"
"""Columns of a packed row beside the caller's own: number of the task and of its file, rows, size in bytes, and as JSON
the lowest and highest values and what the caller counted."""

_CODECS = {"uncompressed": "none", "lz4_raw": "lz4", "lzo": "snappy"}
_LONGEST = 32  # characters of a string that a statistic may have, as in Delta's own


def arrow_codec(spark_name: str) -> str:
    """Return Arrow's name for a value of ``spark.sql.parquet.compression.codec``; snappy for lzo, which Arrow lacks."""
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
    """Writer of the Parquet files of one task, several of which are open at a time.

    Attributes:
        columns: The caller's own columns, strings that say what a file holds. There is one open file for each
            combination of their values.
        codec: Arrow's name for the compression.
        statistics: Columns whose lowest and highest values are recorded for each file.
        plain: Columns whose values seldom repeat. Arrow would put each value into a dictionary first and give up when
            the dictionary is too large, which takes twice the time and makes a larger file.
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
        """Add a row group to the file of ``key``, and yield a row for each file that is full.

        Dictionary columns need one dictionary for the whole table, because each call makes one row group.

        Args:
            key: Values of the caller's own columns.
            table: Rows to add.
            noted: Counts of anything in these rows, which are added up for each file.
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
        # Many small open files take as much memory as one large one.
        while self._bytes > 2 * FILE_BYTES:
            yield self._close(max(self._open, key=lambda each: self._open[each].sink.tell()))

    def close(self) -> Iterator[pa.RecordBatch]:
        """Close the files that are still open, and yield a row for each."""
        while self._open:
            yield self._close(next(iter(self._open)))

    def _writer(self, sink: io.BytesIO, schema: pa.Schema) -> pq.ParquetWriter:
        noted: Any = [name for name in self.statistics if name in schema.names] or False
        repeated: Any = [name for name in schema.names if name not in self.plain] if self.plain else True
        # Without Arrow's schema in it, readers see the same file as Spark would have written.
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
        """Compute the bounds of columns as Delta records them (Delta protocol, Per-file Statistics)."""
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
    """Return the lowest and highest of some statistics, or None for values that JSON cannot represent in order."""
    try:
        pair = min(each.min for each in found), max(each.max for each in found)
    except (ValueError, ArithmeticError):  # invalid UTF-8; a day that Python cannot represent; no statistics at all
        return None
    if all(type(value) is int for value in pair):
        return pair
    if all(type(value) is date for value in pair):
        return pair[0].isoformat(), pair[1].isoformat()
    return pair if all(isinstance(value, str) and len(value) <= _LONGEST for value in pair) else None
