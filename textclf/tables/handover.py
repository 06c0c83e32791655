"""Staged files become files of the published table: renamed and committed, never read or written again.

A slice is a partition of the published table, and staged rows lie in folders of the same names. So publishing them is
a commit of names: those of the slices' old files out, those of the staged files in. Until that commit the renamed
files belong to no version of the table, and a killed run leaves them to the next VACUUM.
"""

import json
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from textclf.tables.conditions import NOTHING, Condition
from textclf.tables.retry import retried
from textclf.tables.schemas import TableSpec
from textclf.tables.transactions import hadoop_path, listed, log_of, none, sequence
from textclf.tables.warehouse import Location

_PLAIN_WRITER = 2
"""Delta's writer version of a table without features beyond append-only and invariants: files mean what they say."""
_MANY = 4  # files of a slice that a run may leave, however small they are
_RENAMES = 32  # at once


@dataclass(frozen=True)
class StagedFile:
    """A file that waits to become one of a published table.

    Attributes:
        entry: Delta's ``add`` entry of it, as it is staged.
        published: Its path inside the published table.
        refused: Whether it holds rows without a score, else it holds none of them.
    """

    entry: dict[str, Any]
    published: str
    refused: bool = False

    @classmethod
    def of(cls, entry: dict[str, Any]) -> "StagedFile":
        """The file of an entry in a staged table's log: by its tags, or by the folder of the reason."""
        tags = entry.get("tags") or {}
        if "published" in tags:
            return cls(entry, tags["published"], tags["refused"] == "true")
        # Inside the published table there is no folder of the reason.
        return cls(entry, unquote(entry["path"].partition("/")[2]), entry["partitionValues"]["reason"] is not None)

    @property
    def whole(self) -> bool:
        """Whether its rows are those of the published table: a reason may be in the name of its folder alone."""
        return not (self.refused and "reason" in self.entry["partitionValues"])

    @property
    def path(self) -> str:
        """Its path where it is staged."""
        return unquote(self.entry["path"])

    def as_staged(self) -> str:
        """The ``add`` entry, as JSON, that ``of`` reads."""
        tags = {"published": self.published, "refused": str(self.refused).lower()}
        return json.dumps({"add": self.entry | {"tags": tags}})

    def as_published(self) -> str:
        """The ``add`` entry, as JSON, of the published table."""
        values = {name: value for name, value in self.entry["partitionValues"].items() if name != "reason"}
        entry = {name: value for name, value in self.entry.items() if name != "tags"}
        return json.dumps(
            {"add": entry | {"path": as_uri(self.published), "partitionValues": values, "dataChange": True}}
        )


def as_uri(path: str) -> str:
    """A path as Delta's log holds it."""
    return quote(path, safe="/=")


@dataclass(frozen=True)
class StagedTable:
    """The rows that a run has staged, in one commit."""

    spark: SparkSession
    place: Location
    files: tuple[StagedFile, ...]

    @classmethod
    def at(cls, spark: SparkSession, place: Location) -> "StagedTable":
        """The staged table at a place."""
        return cls(spark, place, tuple(_added(spark, place)))

    @property
    def rows(self) -> DataFrame:
        """All rows."""
        return self.rows_in(self.files)

    def rows_in(self, files: Collection[StagedFile]) -> DataFrame:
        """The rows in some of the files: these are known, and Delta would find them by a job of its own."""
        jvm: Any = self.spark._jvm
        log, nothing = log_of(self.spark, str(self.place)), none(self.spark)
        action = jvm.org.apache.spark.sql.delta.actions.Action.fromJson
        added = sequence(self.spark, [action(json.dumps({"add": file.entry})) for file in files])
        return DataFrame(log.createDataFrame(log.update(False, nothing, nothing), added, False, nothing), self.spark)


def _added(spark: SparkSession, place: Location) -> Iterator[StagedFile]:
    """The files that the first commit of a table has added."""
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(f"{place}/_delta_log/{0:020d}.json")
    lines = log_of(spark, str(place)).store().readAsIterator(path, spark._jsparkSession.sessionState().newHadoopConf())
    try:
        while lines.hasNext():
            entry = json.loads(lines.next())
            if "add" in entry:
                yield StagedFile.of(entry["add"])
    finally:
        lines.close()


def write_log(spark: SparkSession, folder: str, files: Collection[StagedFile], spec: TableSpec) -> None:
    """Make a folder of files a Delta table of one commit, of which nobody else knows.

    Delta's own transaction would look for others who write there, and gather what it has written itself.
    Format: Delta transaction log protocol, Actions.
    """
    kind = {"provider": "parquet", "options": {}}
    metadata = {"id": str(uuid4()), "format": kind, "schemaString": spec.schema.json(), "configuration": {}}
    actions: list[Any] = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": _PLAIN_WRITER}},
        {"metaData": metadata | {"partitionColumns": list(spec.partition_by)}},
    ]
    lines = [*map(json.dumps, actions), *(file.as_staged() for file in files)]
    system, path = hadoop_path(spark, f"{folder}/_delta_log/{0:020d}.json")
    system.mkdirs(path.getParent())
    configuration = spark._jsparkSession.sessionState().newHadoopConf()
    log = log_of(spark, folder)
    log.store().write(path, sequence(spark, lines).iterator(), False, configuration)
    log.update(False, none(spark), none(spark))  # it remembers that there was no table


def can_take(spark: SparkSession, place: Location, spec: TableSpec) -> bool:
    """Whether files of ``spec`` can become a table's as they are: it is there, plain, and has those columns."""
    if place.path is None or not place.exists(spark):
        return False  # a catalog may want to know of each file
    snapshot = log_of(spark, str(place)).update(False, none(spark), none(spark))
    metadata = snapshot.metadata()
    found = StructType.fromJson(json.loads(metadata.schema().json()))
    # As simple strings: whether elements may be null is no matter of files.
    columns, wanted = ({each.name: each.dataType.simpleString() for each in schema} for schema in (found, spec.schema))
    return bool(
        snapshot.protocol().minWriterVersion() <= _PLAIN_WRITER
        and wanted.items() <= columns.items()
        and tuple(listed(metadata.partitionColumns())) == spec.partition_by
        and not any("delta.invariants" in each.metadata for each in found)
    )


def look_ahead(spark: SparkSession, place: Location) -> None:
    """Let Delta find a table's files, which takes a job: it remembers them until the next commit.

    The way of ``_commit`` itself: what another query of the files leaves behind, that does not use.
    """
    if place.path is not None and place.exists(spark):
        transaction = log_of(spark, str(place)).startTransaction(none(spark), none(spark))
        _files(spark, transaction, NOTHING)


def _files(spark: SparkSession, transaction: Any, condition: Condition) -> list[Any]:
    """The table's files that meet a condition; what a transaction has looked at tells Delta who is in its way."""
    return list(listed(transaction.filterFiles(sequence(spark, [condition.expression(spark)]), False)))


def too_many(files: Collection[StagedFile], slices: int, small_file_mb: int) -> bool:
    """Whether a run would leave files that readers suffer from: more than a few for each slice, and small ones."""
    size = sum(file.entry["size"] for file in files)
    return len(files) > _MANY * max(slices, 1) and size < len(files) * small_file_mb * 2**20


def hand_over(
    spark: SparkSession, folder: str, files: Collection[StagedFile], place: Location, condition: Condition
) -> None:
    """Replace what meets ``condition``, on partition columns alone, by files staged in a folder, in one commit."""
    _move(spark, folder, place, files)
    retried(lambda: _commit(spark, place, files, condition))


def clear(spark: SparkSession, place: Location, condition: Condition) -> None:
    """Remove what meets ``condition``, on partition columns alone; where nothing does there is no commit."""
    retried(lambda: _commit(spark, place, (), condition))


def _move(spark: SparkSession, staged: str, place: Location, files: Collection[StagedFile]) -> None:
    for folder in {file.published.rpartition("/")[0] for file in files}:
        system, path = hadoop_path(spark, f"{place}/{folder}")
        system.mkdirs(path)

    def move(file: StagedFile) -> None:
        system, source = hadoop_path(spark, f"{staged}/{file.path}")
        _, target = hadoop_path(spark, f"{place}/{file.published}")
        if not system.rename(source, target):
            raise OSError(f"{source} could not be renamed to {target}")

    # Where a rename is a copy, as on object stores, they are made side by side.
    with ThreadPoolExecutor(min(_RENAMES, -(-len(files) // _MANY) or 1)) as pool:
        list(pool.map(move, files))


def _commit(spark: SparkSession, place: Location, files: Collection[StagedFile], condition: Condition) -> None:
    jvm: Any = spark._jvm
    delta = jvm.org.apache.spark.sql.delta
    transaction = log_of(spark, str(place)).startTransaction(none(spark), none(spark))
    actions = [each.remove() for each in _files(spark, transaction, condition)]
    actions += [delta.actions.Action.fromJson(file.as_published()) for file in files]
    if not actions:
        return
    some = jvm.scala.Option.apply
    mode, columns = jvm.org.apache.spark.sql.SaveMode.Overwrite, transaction.metadata().partitionColumns()
    # The fields of a write that is no dynamic overwrite, changes no schema and replaces by this predicate alone.
    rest = [none(spark)] * 5
    told = some(condition.text)  # in the table's history; nothing reads it back
    operation = delta.DeltaOperations.Write(mode, some(columns), told, some(uuid4().hex), *rest)
    transaction.commit(sequence(spark, actions), operation)
