"""Staged files become files of the published table: renamed and committed, never read or written again.

A slice is a partition of the published table, and staged rows lie in folders of the same names. So publishing them is
a commit of names: those of the slices' old files out, those of the staged files in. Until that commit the renamed
files belong to no version of the table, and a killed run leaves them to the next VACUUM.
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from textclf.errors import LockError, TextclfError
from textclf.storage.commit_retry import lost_a_race, retried
from textclf.storage.conditions import NOTHING, Condition
from textclf.storage.delta_log import hadoop_path, landed, listed, log_of, manual_update, none, sequence
from textclf.storage.leases.fence import OPEN, Fence
from textclf.storage.run_points import reached
from textclf.storage.schemas import TableSpec
from textclf.storage.warehouse import Location

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
    def whole(self) -> bool:
        """Whether all files are there."""
        return not _missing(self.spark, self.place, [file.entry["path"] for file in self.files])

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
    spark: SparkSession,
    folder: str,
    files: Collection[StagedFile],
    place: Location,
    condition: Condition,
    fence: Fence = OPEN,
) -> None:
    """Replace what meets ``condition``, on partition columns alone, by files staged in a folder, in one commit.

    Raises:
        LockError: The run of ``fence`` has lost a lock; nothing has changed.
        TextclfError: Others have removed files while they were published; what was there before is there again.
    """
    _move(spark, folder, place, files)
    reached("moved", place)
    _commit(spark, place, [file.as_published() for file in files], condition, fence)


def rewrite(spark: SparkSession, rows: DataFrame, place: Location, condition: Condition, fence: Fence = OPEN) -> None:
    """``hand_over`` for rows that Delta writes into files of the table, once, whatever conflicts the commit meets."""
    written = log_of(spark, str(place)).startTransaction(none(spark), none(spark)).writeFiles(rows._jdf)
    reached("moved", place)
    _commit(spark, place, [each.json() for each in listed(written)], condition, fence)


def clear(spark: SparkSession, place: Location, condition: Condition, fence: Fence = OPEN) -> None:
    """Remove what meets ``condition``, on partition columns alone; where nothing does there is no commit."""
    _commit(spark, place, [], condition, fence)


def _move(spark: SparkSession, staged: str, place: Location, files: Collection[StagedFile]) -> None:
    for folder in {file.published.rpartition("/")[0] for file in files}:
        system, path = hadoop_path(spark, f"{place}/{folder}")
        system.mkdirs(path)
    now = int(time.time() * 1000)

    def move(file: StagedFile) -> None:
        system, source = hadoop_path(spark, f"{staged}/{file.path}")
        _, target = hadoop_path(spark, f"{place}/{file.published}")
        # VACUUM takes a file that no version has for one that was left behind long ago, if it is as old as that; the
        # rows of a stopped run may be. Before the rename: what is seen in the table's folder is young.
        system.setTimes(source, now, -1)
        if not system.rename(source, target):
            raise OSError(f"{source} could not be renamed to {target}")

    # Where a rename is a copy, as on object stores, they are made side by side.
    _for_each(move, files)


def _for_each(work: Callable[[Any], Any], values: Collection[Any]) -> list[Any]:
    with ThreadPoolExecutor(min(_RENAMES, -(-len(values) // _MANY) or 1)) as pool:
        return list(pool.map(work, values))


def _commit(spark: SparkSession, place: Location, added: list[str], condition: Condition, fence: Fence) -> None:
    """Commit ``add`` entries, as JSON, in the place of what meets the condition."""
    removed = retried(lambda: _attempt(spark, place, added, condition, fence))
    reached("committed", place)
    missing = _missing(spark, place, _paths(added))
    if missing:
        kept = _undo(spark, place, _paths(added), [each.json() for each in removed], condition, fence)
        raise TextclfError(
            "Files were removed while they were published, as a VACUUM that keeps nothing does; nothing was published.",
            received=f"{len(missing)} of {len(added)} files gone from {place}, the first {missing[0]}",
            expected="no VACUUM of younger files than a run takes to publish",
            fix="run it again"
            if kept
            else "run it again at once: the rows that were published before are gone, too, by the same VACUUM",
        )


def _attempt(spark: SparkSession, place: Location, added: list[str], condition: Condition, fence: Fence) -> list[Any]:
    """One attempt; the entries of the files that it has removed."""
    jvm: Any = spark._jvm
    delta = jvm.org.apache.spark.sql.delta
    log = log_of(spark, str(place))
    transaction = log.startTransaction(none(spark), none(spark))
    removed = _files(spark, transaction, condition)
    if not removed and not added:
        fence.check()
        return []
    fence.guard(transaction)
    reached("looked", place)
    some = jvm.scala.Option.apply
    mode, columns = jvm.org.apache.spark.sql.SaveMode.Overwrite, transaction.metadata().partitionColumns()
    # The fields of a write that is no dynamic overwrite, changes no schema and replaces by this predicate alone.
    rest = [none(spark)] * 5
    told = some(condition.text)  # in the table's history; nothing reads it back
    operation = delta.DeltaOperations.Write(mode, some(columns), told, some(uuid4().hex), *rest)
    actions = [each.remove() for each in removed] + [delta.actions.Action.fromJson(each) for each in added]
    try:
        transaction.commit(sequence(spark, actions), operation)
    except Exception as error:
        # What comes after a commit, a checkpoint perhaps, may have been cancelled: then it is made all the same.
        first = next(iter(_paths(added[:1])), None)
        if first is None or lost_a_race(error) or not landed(spark, str(place), transaction.readVersion(), first):
            raise
    return removed


def _paths(added: Iterable[str]) -> list[str]:
    return [json.loads(each)["add"]["path"] for each in added]


def _missing(spark: SparkSession, place: Location, paths: Collection[str]) -> list[str]:
    """Those of a table's files that are not there."""

    def there(path: str) -> bool:
        system, target = hadoop_path(spark, f"{place}/{unquote(path)}")
        return bool(system.exists(target))

    return [path for path, found in zip(paths, _for_each(there, paths), strict=True) if not found]


def _undo(
    spark: SparkSession, place: Location, added: list[str], removed: list[str], condition: Condition, fence: Fence
) -> bool:
    """Put back what a commit has removed; False where that is gone, and the slices are empty now.

    A run that has lost a lock meanwhile takes back its own files, too: they are gone, and no reader could go on. What
    another run has published in their place stays.
    """
    before = [] if _missing(spark, place, _paths(removed)) else removed
    changed = [json.dumps({"add": json.loads(each)["add"] | {"dataChange": True}}) for each in before]

    def attempt() -> None:
        jvm: Any = spark._jvm
        transaction = log_of(spark, str(place)).startTransaction(none(spark), none(spark))
        found = _files(spark, transaction, condition)
        ours = [each for each in found if each.path() in set(added)]
        if not ours:  # another run has replaced them
            return
        mine = {_slice_of(each.json()) for each in ours}
        theirs = {_slice_of(each.json()) for each in found if each.path() not in set(added)}
        held = _held(fence)
        back = [each for each in changed if (held or _slice_of(each) in mine) and _slice_of(each) not in theirs]
        action = jvm.org.apache.spark.sql.delta.actions.Action.fromJson
        actions = [each.remove() for each in ours] + [action(each) for each in back]
        transaction.commit(sequence(spark, actions), manual_update(spark))

    retried(attempt)
    return len(before) == len(removed)


def _slice_of(entry: str) -> frozenset[tuple[str, str | None]]:
    return frozenset(json.loads(entry)["add"]["partitionValues"].items())


def _held(fence: Fence) -> bool:
    try:
        fence.check()
    except LockError:
        return False
    return True
