"""Files that workers make for tables, under the names that they keep: the driver's side of ``worker_files``.

Files are stored once, in the folder of the table that they are for. They belong to no version of it, so no reader sees
them, until a commit names them: as with Delta's own writers.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import Accumulator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from textclf.common.file_systems import open_sized
from textclf.common.java_classes import JavaClasses
from textclf.spark.companion import PROVISION, CompanionError, lacks_companion
from textclf.storage.delta_log import hadoop_path
from textclf.storage.files.listing import escaped
from textclf.storage.plain_files import discard, for_each, write_new
from textclf.storage.schemas import TableSpec
from textclf.storage.staged_table import StagedFile, as_uri, url_of
from textclf.storage.worker_files import PATHS, Sink, arrow_codec


@dataclass(frozen=True)
class PackedFile:
    """A stored file.

    Attributes:
        folder: Folder of the files of its kind.
        values: What the worker reported: the caller's own columns, ``path``, ``rows``, ``size`` and others.
    """

    folder: str
    values: dict[str, Any]

    @property
    def path(self) -> str:
        """Path of the file in the folder."""
        return str(self.values["path"])

    @property
    def place(self) -> str:
        """Path or URL of the file."""
        return f"{self.folder}/{self.path}"

    @property
    def noted(self) -> list[list[Any]]:
        """What the worker counted: for each key its parts, followed by the count."""
        found: list[list[Any]] = json.loads(self.values["noted"])
        return found

    def staged(self, root: str, partition_by: Sequence[str], *, rejected: bool = False) -> StagedFile:
        """Return the file for a table that is partitioned by some of ``values``, which are strings or missing.

        Args:
            root: URL of the folder, encoded as Delta's log has it.
            partition_by: Columns whose values are the levels of folders of the path.
            rejected: Whether the file holds only rows without a score.
        """
        entry = {
            "path": f"{root}/{as_uri(self.path)}",
            "partitionValues": {name: self.values.get(name) for name in partition_by},
            "size": self.values["size"],
            "modificationTime": self.values["modified"],
            "dataChange": True,
            "stats": json.dumps({"numRecords": self.values["rows"]} | json.loads(self.values["statistics"])),
        }
        return StagedFile(entry, self.path, rejected)


def parquet_codec(spark: SparkSession) -> str:
    """Return Arrow's name for the compression of a session's Parquet files."""
    return arrow_codec(spark.conf.get("spark.sql.parquet.compression.codec") or "")


@dataclass
class FileStore:
    """A place for each kind of file that the workers of one Spark job make.

    Attributes:
        spark: An open session.
        folders: Path or URL of the folder of each kind.
    """

    spark: SparkSession
    folders: Mapping[str, str]
    _seen: Accumulator[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self.spark.sparkContext.accumulator([], PATHS)

    @cached_property
    def sink(self) -> Sink:
        """What workers give their files to."""
        found = {kind: hadoop_path(self.spark, folder) for kind, folder in self.folders.items()}
        if any(system.getUri().getScheme() != "file" for system, _ in found.values()):
            return Sink(seen=self._seen)
        jvm = JavaClasses(self.spark._jvm)
        mask = jvm.org.apache.hadoop.fs.permission.FsPermission.getUMask
        umask = mask(self.spark._jsparkSession.sessionState().newHadoopConf()).toShort()
        return Sink({kind: path.toUri().getPath() for kind, (_, path) in found.items()}, umask, self._seen)

    def store(self, rows: DataFrame) -> list[PackedFile]:
        """Compute the rows of a ``Packer`` with this sink, once, and return the files that they tell of.

        A task that runs again stores files of other names; those of the failed attempt are not in the result. After
        an error nothing of what is known to be stored remains.
        """
        if self.sink.folders is None:
            if lacks_companion(self.spark):
                raise CompanionError(
                    "The workers' files cannot be stored without the Java classes of this package.",
                    received=f"{', '.join(self.folders.values())}, and no jar of these classes in this session",
                    expected="the jar that set-up compiles, in spark.jars, or tables on a local disk",
                    fix=PROVISION,
                )
            jvm = JavaClasses(self.spark._jvm)
            rows = DataFrame(jvm.textclf.FileSink.store(rows._jdf, dict(self.folders)), self.spark)
        try:
            found = [row.asDict() for row in rows.drop("piece").collect()]
        except BaseException:
            self.discard()
            raise
        return [PackedFile(self.folders[values["kind"]], values) for values in found]

    def store_here(self, packed: Iterable[pa.RecordBatch]) -> list[PackedFile]:
        """Store the files of a ``Packer`` that runs in this process, with this sink, without a Spark job.

        After an error nothing of what is known to be stored remains.
        """
        found: list[PackedFile] = []
        pieces: list[bytes] = []
        try:
            for row in chain.from_iterable(batch.to_pylist() for batch in packed):
                piece, file = row.pop("piece"), PackedFile(self.folders[row["kind"]], row)
                pieces += [] if piece is None else [piece]
                if row["size"] is not None:  # the file is whole
                    if pieces:
                        write_new(self.spark, file.place, b"".join(pieces))
                    found.append(file)
                    pieces.clear()
        except BaseException:
            self.discard()
            raise
        return found

    def staged(self, files: Collection[PackedFile], spec: TableSpec) -> list[StagedFile]:
        """Return the files for the table of ``spec``; those of the second kind are rejects."""
        return staged_files(self.spark, files, spec, [*self.folders][1:])

    def discard(self) -> None:
        """Delete the files of all tasks that have ended, after an error, which is not replaced by another.

        A task that failed has deleted its own, unless its process was killed; those are left to VACUUM.
        """
        pairs = (each.partition("/") for each in self._seen.value)
        discard(self.spark, {f"{self.folders[kind]}/{path}" for kind, _, path in pairs})


def staged_files(
    spark: SparkSession, files: Collection[PackedFile], spec: TableSpec, rejects: Collection[str] = ()
) -> list[StagedFile]:
    """Return files for a table.

    Args:
        spark: An open session.
        files: Files, in any folders.
        spec: The table.
        rejects: Kinds whose files hold only rows without a score.
    """
    roots = {folder: url_of(spark, folder) for folder in {file.folder for file in files}}
    return [
        file.staged(roots[file.folder], spec.partition_by, rejected=file.values["kind"] in rejects) for file in files
    ]


def read_here(files: Collection[PackedFile]) -> pa.Table:
    """Read the rows of files, which are few, in this process."""

    def one(file: PackedFile) -> pa.Table:
        with open_sized(file.place, file.values["size"]) as opened:
            return pq.ParquetFile(opened).read()

    return pa.concat_tables(for_each(one, files)) if files else pa.table({})


def read_packed(
    spark: SparkSession, files: Collection[PackedFile], schema: StructType | str, *columns: str
) -> DataFrame:
    """Read the rows of files, with some of the caller's own columns, which are strings.

    Args:
        spark: An open session.
        files: Files to read.
        schema: Schema of the rows in the files.
        *columns: Names of the caller's own columns to add.
    """
    if not files:
        missing = {name: F.lit(None).cast("string") for name in columns}
        return spark.createDataFrame([], schema).withColumns(missing)
    # Escaped, because brackets in a folder's name are not a pattern. With Spark's __globPaths__ = false each of
    # several such paths would stand for all of them. The folder names add no columns.
    reader = spark.read.schema(schema).option("recursiveFileLookup", "true")
    rows = reader.parquet(*(escaped(file.place) for file in files))
    if not columns:
        return rows
    known = [(file.path.rpartition("/")[2], *(file.values.get(name) for name in columns)) for file in files]
    texts = StructType([StructField(name, StringType()) for name in ("stored", *columns)])
    by_name = spark.createDataFrame(known, texts)
    named = rows.withColumn("stored", F.col("_metadata.file_name"))
    return named.join(F.broadcast(by_name), "stored").drop("stored")
