"""The rows that a run has staged: a Delta table of the run's own, whose files may be in the folders of other tables."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession

from textclf.common.java_classes import JavaClasses
from textclf.storage.delta_log import hadoop_path, log_of, rows_of, sequence
from textclf.storage.plain_files import PLAIN_WRITER, discard, missing
from textclf.storage.schemas import TableSpec
from textclf.storage.warehouse import Location


@dataclass(frozen=True)
class StagedFile:
    """A staged file that is to become a file of a published table.

    Attributes:
        entry: Delta's ``add`` entry of the file in staging; its path is a URL, or below the folder of the staged table.
        published: Path of the file inside the published table.
        rejected: Whether the file holds only rows without a score; otherwise it holds only rows with one.
    """

    entry: dict[str, Any]
    published: str
    rejected: bool = False

    @classmethod
    def of(cls, entry: dict[str, Any]) -> "StagedFile":
        """Read a file from an entry in a staged table's log: from its tags, or from the folder of the reason."""
        tags = entry.get("tags") or {}
        if "published" in tags:
            return cls(entry, tags["published"], tags["refused"] == "true")
        # The published table has no folder level for the reason.
        return cls(entry, unquote(entry["path"].partition("/")[2]), entry["partitionValues"].get("reason") is not None)

    @classmethod
    def written(cls, entry: dict[str, Any], root: str) -> "StagedFile":
        """Return a file that Delta has written into the folder of the table.

        Args:
            entry: Delta's ``add`` entry of the file.
            root: URL of the table, as ``url_of`` gives it.
        """
        path = unquote(entry["path"])
        return cls(entry | {"path": f"{root}/{as_uri(path)}"}, path)

    @property
    def rows(self) -> int | None:
        """Number of rows, if the entry has it."""
        found = json.loads(self.entry.get("stats") or "{}").get("numRecords")
        return None if found is None else int(found)

    @property
    def whole(self) -> bool:
        """Whether the file has all columns of the published table; the reason may be only in its folder's name."""
        return not (self.rejected and "reason" in self.entry["partitionValues"])

    def place(self, staged: str) -> str:
        """Return path or URL of the file.

        Args:
            staged: Folder of the staged table.
        """
        path = unquote(self.entry["path"])
        return path if _is_url(path) else f"{staged}/{path}"

    def is_in(self, root: str) -> bool:
        """Whether the file is where the published table has it.

        Args:
            root: URL of the published table, as ``url_of`` gives it.
        """
        return bool(self.entry["path"] == f"{root}/{as_uri(self.published)}")

    def within(self, root: str) -> "StagedFile":
        """Return the file with a path relative to the staged table if it is below it: another run may move the table.

        Args:
            root: URL of the staged table.
        """
        return replace(self, entry=self.entry | {"path": self.entry["path"].removeprefix(f"{root}/")})

    def as_staged(self) -> str:
        """Return the ``add`` entry in staging, as JSON that ``of`` reads."""
        tags = {"published": self.published, "refused": str(self.rejected).lower()}
        return json.dumps({"add": self.entry | {"tags": tags}})

    def as_published(self) -> str:
        """Return the ``add`` entry for the published table, as JSON."""
        values = {name: value for name, value in self.entry["partitionValues"].items() if name != "reason"}
        entry = {name: value for name, value in self.entry.items() if name != "tags"}
        return json.dumps(
            {"add": entry | {"path": as_uri(self.published), "partitionValues": values, "dataChange": True}}
        )


def as_uri(path: str) -> str:
    """Encode a path as Delta's log does."""
    return quote(path, safe="/=")


def _is_url(path: str) -> bool:
    scheme, colon, _ = path.partition(":")
    return bool(colon) and "/" not in scheme


def url_of(spark: SparkSession, folder: str) -> str:
    """Return the URL of a folder, with its scheme, encoded as Delta's log has paths."""
    system, path = hadoop_path(spark, folder)
    return str(system.makeQualified(path).toUri().toString()).rstrip("/")


@dataclass
class StagedTable:
    """The rows that a run has staged, in one commit.

    Attributes:
        place: Location of the table.
        files: Files of the table.
        published: Whether a commit may have named files: then only VACUUM can tell which of them are to be deleted.
    """

    spark: SparkSession
    place: Location
    files: tuple[StagedFile, ...]
    published: bool = False

    @classmethod
    def at(cls, spark: SparkSession, place: Location) -> "StagedTable":
        """Open the staged table at a location."""
        return cls(spark, place, tuple(_added(spark, place)))

    @property
    def whole(self) -> bool:
        """Whether all files are still there."""
        return not missing(self.spark, self._places(self.files))

    def discard(self) -> None:
        """Delete the files; no commit must have named them."""
        discard(self.spark, self._places(self.files))

    def _places(self, files: Collection[StagedFile]) -> list[str]:
        return [file.place(str(self.place)) for file in files]

    @property
    def rows(self) -> DataFrame:
        """All staged rows."""
        return self.rows_in(self.files)

    def rows_in(self, files: Collection[StagedFile]) -> DataFrame:
        """Read the rows in some of the files. Delta gets the files' entries, which it would find by a Spark job."""
        jvm = JavaClasses(self.spark._jvm)
        action = jvm.org.apache.spark.sql.delta.actions.Action.fromJson
        added = sequence(self.spark, [action(json.dumps({"add": file.entry})) for file in files])
        return rows_of(self.spark, self.place.snapshot(self.spark), added)


def _added(spark: SparkSession, place: Location) -> Iterator[StagedFile]:
    """Yield the files that the first commit of a table has added."""
    jvm = JavaClasses(spark._jvm)
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
    """Make a folder of files a Delta table with one commit, which no other writer knows of.

    Delta's own transaction would check for other writers and then collect the entries that it has written.
    Format: Delta transaction log protocol, Actions.
    """
    kind = {"provider": "parquet", "options": {}}
    metadata = {"id": str(uuid4()), "format": kind, "schemaString": spec.schema.json(), "configuration": {}}
    actions: list[Any] = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": PLAIN_WRITER}},
        {"metaData": metadata | {"partitionColumns": list(spec.partition_by)}},
    ]
    root = url_of(spark, folder)
    lines = [*map(json.dumps, actions), *(file.within(root).as_staged() for file in files)]
    system, path = hadoop_path(spark, f"{folder}/_delta_log/{0:020d}.json")
    system.mkdirs(path.getParent())
    configuration = spark._jsparkSession.sessionState().newHadoopConf()
    # Delta reads the commit if the rows are read, which takes a Spark job.
    log_of(spark, folder).store().write(path, sequence(spark, lines).iterator(), False, configuration)
