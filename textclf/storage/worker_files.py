"""Make Parquet files of Arrow tables on a worker, under the names that they keep.

Spark writes Parquet row by row and value by value. A worker has its rows in columns already, often with a dictionary,
and writes the same file in a fraction of the time. On a local disk the worker stores the file itself. Elsewhere it
hands the file in pieces to the JVM, which has the file systems: ``textclf.storage.stored_files``.
"""

import io
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import Accumulator, AccumulatorParam, TaskContext

from textclf.storage.files.partition_names import folder_name

FILE_BYTES = 64 << 20
"""Size in bytes at which a file is closed: the worker holds one whole file in memory at a time."""
PIECE_BYTES = 8 << 20
"""Largest number of bytes that the JVM gets at once."""
COLUMNS = "path string, rows long, size long, modified long, statistics string, noted string, piece binary"
"""Columns of a row beside the caller's own: path of the file below the folder of its kind, rows, size in bytes, time in
milliseconds since 1970, and as JSON the lowest and highest values and what the caller counted. If a file comes in
several pieces, only the row of the last one has more than its path and piece."""

_CODECS = {"uncompressed": "none", "lz4_raw": "lz4", "lzo": "snappy"}
_LONGEST = 32  # characters of a string that a statistic may have, as in Delta's own
Batches = Iterator[pa.RecordBatch]


def arrow_codec(spark_name: str) -> str:
    """Return Arrow's name for a value of ``spark.sql.parquet.compression.codec``; snappy for lzo, which Arrow lacks."""
    return _CODECS.get(spark_name.lower(), spark_name.lower())


class _Paths(AccumulatorParam[list[str]]):
    """Paths of the files of tasks that have ended well."""

    def zero(self, value: list[str]) -> list[str]:  # noqa: ARG002 - Spark's signature
        return []

    def addInPlace(self, value1: list[str], value2: list[str]) -> list[str]:  # noqa: N802 - Spark's name
        value1 += value2
        return value1


PATHS = _Paths()
"""How Spark adds up the paths that workers report."""


@dataclass
class Sink:
    """What takes the bytes of a task's files: hands them to the JVM in pieces, or stores them on a local disk.

    Attributes:
        folders: Folder of each kind of file, on this machine; None if the JVM stores the files.
        umask: Mask of the permissions of new files and folders, as Hadoop has it.
        seen: Accumulator of the paths of all files, each after its kind and a slash.
    """

    folders: Mapping[str, str] | None = None
    umask: int = 0o022
    seen: Accumulator[list[str]] | None = None
    _stored: list[Path] = field(default_factory=list)

    def take(self, kind: str, path: str, data: memoryview) -> Iterator[bytes | None]:
        """Take a file; yield the pieces that the JVM is to store, or None once if it is stored.

        Args:
            kind: Kind of the file.
            path: Path of the file in the folder of its kind.
            data: Content of the file.
        """
        if self.seen is not None:
            self.seen.add([f"{kind}/{path}"])
        if self.folders is None:
            for begin in range(0, len(data), PIECE_BYTES):
                yield bytes(data[begin : begin + PIECE_BYTES])
        else:
            self._store(Path(self.folders[kind], path), data)
            yield None

    def discard(self) -> None:
        """Remove the files that this process has stored; the JVM removes its own."""
        for path in self._stored:
            path.unlink(missing_ok=True)

    def _store(self, target: Path, data: memoryview) -> None:
        self._make(target.parent)
        self._stored.append(target)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 & ~self.umask)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(handle, 0o666 & ~self.umask)  # whatever the mask of this process is

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        with suppress(FileExistsError):  # another task has made it
            folder.mkdir()
            folder.chmod(0o777 & ~self.umask)


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
        columns: The caller's own columns, strings that say what a file holds; the first is ``kind``. There is one open
            file for each combination of their values.
        sink: What takes the bytes.
        partition_by: Those of the columns that are levels of folders.
        codec: Arrow's name for the compression.
        statistics: Columns whose lowest and highest values are recorded for each file.
        plain: Columns whose values seldom repeat. Arrow would put each value into a dictionary first and give up when
            the dictionary is too large, which takes twice the time and makes a larger file.
    """

    columns: Sequence[str]
    sink: Sink = field(default_factory=Sink)
    partition_by: Sequence[str] = ()
    codec: str = "snappy"
    statistics: Sequence[str] = ()
    plain: Sequence[str] = ()
    _open: dict[tuple[str | None, ...], _Open] = field(default_factory=dict)
    _bytes: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """After an error, remove what has been stored: no row tells of it."""
        if kind is not None:
            self.sink.discard()

    def write(
        self, key: tuple[str | None, ...], table: pa.Table, noted: Mapping[tuple[Any, ...], int] | None = None
    ) -> Batches:
        """Add a row group to the file of ``key``, and yield rows for each file that is full.

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
            yield from self._close(key)
        # Many small open files take as much memory as one large one.
        while self._bytes > 2 * FILE_BYTES:
            yield from self._close(max(self._open, key=lambda each: self._open[each].sink.tell()))

    def close(self) -> Batches:
        """Close the files that are still open, and yield rows for each."""
        while self._open:
            yield from self._close(next(iter(self._open)))

    def _writer(self, sink: io.BytesIO, schema: pa.Schema) -> pq.ParquetWriter:
        noted: Any = [name for name in self.statistics if name in schema.names] or False
        repeated: Any = [name for name in schema.names if name not in self.plain] if self.plain else True
        # Without Arrow's schema in it, readers see the same file as Spark would have written.
        return pq.ParquetWriter(
            sink, schema, compression=self.codec, use_dictionary=repeated, write_statistics=noted, store_schema=False
        )

    def _close(self, key: tuple[str | None, ...]) -> Batches:
        found = self._open.pop(key)
        self._bytes -= found.size
        found.writer.close()
        data = found.sink.getbuffer()
        path = self._path(key)
        done: dict[str, Any] = {
            "rows": found.rows,
            "size": len(data),
            "modified": int(time.time() * 1000),
            "statistics": json.dumps(self._statistics(data)),
            "noted": json.dumps([[*what, count] for what, count in found.noted.items()]),
        }
        before = None
        for number, piece in enumerate(self.sink.take(key[0] or "", path, data)):
            if number:
                yield self._row(key, path, {}, before)
            before = piece
        yield self._row(key, path, done, before)

    def _path(self, key: tuple[str | None, ...]) -> str:
        """Make the path of a new file. An attempt of a task that runs again makes other names."""
        values = dict(zip(self.columns, key, strict=True))
        context = TaskContext.get()
        name = f"part-{context.partitionId() if context else 0:05d}-{uuid4().hex}.parquet"
        return "/".join([*(folder_name(column, values[column]) for column in self.partition_by), name])

    def _row(self, key: tuple[str | None, ...], path: str, done: dict[str, Any], piece: bytes | None) -> pa.RecordBatch:
        row = {name: pa.array([value], pa.string()) for name, value in zip(self.columns, key, strict=True)}
        row["path"] = pa.array([path])
        row |= {name: pa.array([done.get(name)], pa.int64()) for name in ("rows", "size", "modified")}
        row |= {name: pa.array([done.get(name)], pa.string()) for name in ("statistics", "noted")}
        return pa.record_batch(row | {"piece": pa.array([piece], pa.binary())})

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
