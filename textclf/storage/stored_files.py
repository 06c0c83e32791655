"""Store Parquet files made by workers where tables live: the driver's side of ``textclf.storage.worker_files``.

Spark knows the file systems, credentials and committers of a cluster; Python workers do not. Spark's text writer puts a
value's bytes into a file as they are and adds a line separator. With one value per file, and the four bytes that end
every Parquet file as the separator, the stored file is the worker's file.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from textclf.storage.delta_log import hadoop_path
from textclf.storage.file_commit import StagedFile, as_uri
from textclf.storage.files.listing import escaped
from textclf.storage.worker_files import MAGIC, arrow_codec

_BYTES: dict[str, Any] = {"lineSep": MAGIC.decode(), "maxRecordsPerFile": 1, "compression": "none"}
_NAME = re.compile(r"part-(\d+)-.*-c(\d+)\.txt")


@dataclass(frozen=True)
class PackedFile:
    """A stored file.

    Attributes:
        name: Name of the file in the folder.
        values: What the worker reported: the caller's own columns, ``rows`` and ``size``; nulls are left out.
        modified: Time when the file was stored, in milliseconds since 1970.
    """

    name: str
    values: dict[str, Any]
    modified: int

    @property
    def noted(self) -> list[list[Any]]:
        """What the worker counted: for each key its parts, followed by the count."""
        found: list[list[Any]] = json.loads(self.values["noted"])
        return found

    def staged(self, spark: SparkSession, partition_by: Sequence[str], *, rejected: bool = False) -> StagedFile:
        """Return the file for a table that is partitioned by some of ``values``, which are strings or missing."""
        values = {name: self.values.get(name) for name in partition_by}
        entry = {
            "path": as_uri(self.name),
            "partitionValues": values,
            "size": self.values["size"],
            "modificationTime": self.modified,
            "dataChange": True,
            "stats": json.dumps({"numRecords": self.values["rows"]} | json.loads(self.values["statistics"])),
        }
        jvm: Any = spark._jvm
        folder = jvm.org.apache.spark.sql.catalyst.catalog.ExternalCatalogUtils.getPartitionPathString
        folders = [folder(name, value) for name, value in values.items()]
        return StagedFile(entry, "/".join([*folders, f"part-{uuid4().hex}.parquet"]), rejected)


def parquet_codec(spark: SparkSession) -> str:
    """Return Arrow's name for the compression of a session's Parquet files."""
    return arrow_codec(spark.conf.get("spark.sql.parquet.compression.codec") or "")


def store_packed(rows: DataFrame, folder: str) -> list[PackedFile]:
    """Compute ``rows`` of a ``Packer`` once and store the file of each row in a folder, which must not exist.

    A task that runs again stores the same names again, and files of a failed attempt are not in the result. So tasks
    can write their files to the final place in parallel, and the driver need not move them at the end.
    """
    seen = Observation()
    noted = F.struct(*(F.col(name) for name in rows.columns if name != "value"))
    told = rows.observe(seen, F.to_json(F.collect_list(noted)).alias("files"))
    writer = told.select(F.col("value").cast("string")).write.options(**_BYTES)
    writer.option("mapreduce.fileoutputcommitter.algorithm.version", 2).text(folder)
    values = {(each.pop("split"), each.pop("number")): each for each in json.loads(seen.get["files"])}
    found = {
        place: PackedFile(name, values[place], at)
        for place, name, at in _listed(rows.sparkSession, folder)
        if place in values
    }
    if lost := values.keys() - found.keys():
        raise OSError(f"{len(lost)} of {len(values)} files that were stored in {folder} are missing")
    return [found[place] for place in sorted(found)]


def read_packed(
    spark: SparkSession, folder: str, files: Collection[PackedFile], schema: StructType | str, *columns: str
) -> DataFrame:
    """Read the rows of some of a folder's files, with some of the caller's own columns, which are strings.

    Args:
        spark: An open session.
        folder: Folder of the files.
        files: Files to read.
        schema: Schema of the rows in the files.
        *columns: Names of the caller's own columns to add.
    """
    if not files:
        missing = {name: F.lit(None).cast("string") for name in columns}
        return spark.createDataFrame([], schema).withColumns(missing)
    # Escaped, because brackets in the folder's name are not a pattern. With Spark's __globPaths__ = false each of
    # several such paths would stand for all of them.
    rows = spark.read.schema(schema).parquet(*(escaped(f"{folder}/{file.name}") for file in files))
    if not columns:
        return rows
    known = [(file.name, *(file.values.get(name) for name in columns)) for file in files]
    texts = StructType([StructField(name, StringType()) for name in ("stored", *columns)])
    by_name = spark.createDataFrame(known, texts)
    named = rows.withColumn("stored", F.col("_metadata.file_name"))
    return named.join(F.broadcast(by_name), "stored").drop("stored")


def _listed(spark: SparkSession, folder: str) -> Iterator[tuple[tuple[int, int], str, int]]:
    """Yield (task, number), name and modification time of each file."""
    system, path = hadoop_path(spark, folder)
    for status in system.listStatus(path):
        name = status.getPath().getName()
        if match := _NAME.fullmatch(name):
            yield (int(match[1]), int(match[2])), name, status.getModificationTime()
