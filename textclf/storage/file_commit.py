"""Commit staged files to a published table: files are renamed and committed, never read or written again.

A slice is a partition of the published table, and staged rows are in folders with the same names. So publishing them is
a commit of names: the slices' old files are removed and the staged files are added. Until that commit, the renamed
files belong to no version of the table; if the run is killed, the next VACUUM removes them.
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
"""Delta's writer version of tables without features beyond append-only and invariants, which can take plain files."""
_MANY = 4  # files of a slice that a run may leave, however small they are
_TINY = 4 << 20
"""Bytes that take Spark as long to read as a file to open, by the default of ``spark.sql.files.openCostInBytes``."""
_RENAMES = 32  # in parallel


@dataclass(frozen=True)
class StagedFile:
    """A staged file that is to become a file of a published table.

    Attributes:
        entry: Delta's ``add`` entry of the file in staging.
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
        return cls(entry, unquote(entry["path"].partition("/")[2]), entry["partitionValues"]["reason"] is not None)

    @property
    def whole(self) -> bool:
        """Whether the file has all columns of the published table; the reason may be only in its folder's name."""
        return not (self.rejected and "reason" in self.entry["partitionValues"])

    @property
    def path(self) -> str:
        """Path of the file in staging."""
        return unquote(self.entry["path"])

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


@dataclass(frozen=True)
class StagedTable:
    """The rows that a run has staged, in one commit."""

    spark: SparkSession
    place: Location
    files: tuple[StagedFile, ...]

    @classmethod
    def at(cls, spark: SparkSession, place: Location) -> "StagedTable":
        """Open the staged table at a location."""
        return cls(spark, place, tuple(_added(spark, place)))

    @property
    def whole(self) -> bool:
        """Whether all files are still there."""
        return not _missing(self.spark, self.place, [file.entry["path"] for file in self.files])

    @property
    def rows(self) -> DataFrame:
        """All staged rows."""
        return self.rows_in(self.files)

    def rows_in(self, files: Collection[StagedFile]) -> DataFrame:
        """Read the rows in some of the files. Delta gets the files' entries, which it would find by a Spark job."""
        jvm: Any = self.spark._jvm
        log, nothing = log_of(self.spark, str(self.place)), none(self.spark)
        action = jvm.org.apache.spark.sql.delta.actions.Action.fromJson
        added = sequence(self.spark, [action(json.dumps({"add": file.entry})) for file in files])
        return DataFrame(log.createDataFrame(log.update(False, nothing, nothing), added, False, nothing), self.spark)


def _added(spark: SparkSession, place: Location) -> Iterator[StagedFile]:
    """Yield the files that the first commit of a table has added."""
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
    """Make a folder of files a Delta table with one commit, which no other writer knows of.

    Delta's own transaction would check for other writers and then collect the entries that it has written.
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
    log.update(False, none(spark), none(spark))  # Delta has cached that there was no table


def can_take(spark: SparkSession, place: Location, spec: TableSpec) -> bool:
    """Whether a table can take files of ``spec`` as they are: it exists, uses plain files, and has those columns."""
    if place.path is None or not place.exists(spark):
        return False  # a catalog may need to know each file
    snapshot = log_of(spark, str(place)).update(False, none(spark), none(spark))
    metadata = snapshot.metadata()
    found = StructType.fromJson(json.loads(metadata.schema().json()))
    # As simple strings, which leave out whether elements may be null: that makes no difference to files.
    columns, wanted = ({each.name: each.dataType.simpleString() for each in schema} for schema in (found, spec.schema))
    return bool(
        snapshot.protocol().minWriterVersion() <= _PLAIN_WRITER
        and wanted.items() <= columns.items()
        and tuple(listed(metadata.partitionColumns())) == spec.partition_by
        and not any("delta.invariants" in each.metadata for each in found)
    )


def look_ahead(spark: SparkSession, place: Location) -> None:
    """Let Delta find a table's files in advance, which takes a Spark job. Delta caches them until the next commit.

    This queries the files as ``_commit`` does, because ``_commit`` cannot use what other queries have cached.
    """
    if place.path is not None and place.exists(spark):
        transaction = log_of(spark, str(place)).startTransaction(none(spark), none(spark))
        _files(spark, transaction, NOTHING)


def _files(spark: SparkSession, transaction: Any, condition: Condition) -> list[Any]:
    """Find a table's files that meet a condition. Delta uses what a transaction has read to detect conflicts."""
    return list(listed(transaction.filterFiles(sequence(spark, [condition.expression(spark)]), False)))


def too_many(files: Collection[StagedFile], slices: int, small_file_mb: int) -> bool:
    """Whether a run would leave files that slow readers down: more than a few for each slice, and tiny ones.

    Larger files are left to upkeep, which merges those below ``small_file_mb``: to write a night's rows again costs
    half as much as to score them.
    """
    size = sum(file.entry["size"] for file in files)
    return len(files) > _MANY * max(slices, 1) and size < len(files) * min(small_file_mb << 20, _TINY)


def hand_over(
    spark: SparkSession,
    folder: str,
    files: Collection[StagedFile],
    place: Location,
    condition: Condition,
    fence: Fence = OPEN,
) -> None:
    """Replace the rows that meet ``condition`` by files staged in a folder, in one commit.

    Args:
        spark: An open session.
        folder: Folder of the staged files.
        files: Staged files.
        place: Location of the table.
        condition: Condition on partition columns only.
        fence: Fence of the run.

    Raises:
        LockError: The run of ``fence`` has lost a lock; nothing has changed.
        TextclfError: Another process has removed files while they were published; the previous rows are restored.
    """
    _move(spark, folder, place, files)
    reached("moved", place)
    _commit(spark, place, [file.as_published() for file in files], condition, fence)


def rewrite(spark: SparkSession, rows: DataFrame, place: Location, condition: Condition, fence: Fence = OPEN) -> None:
    """Replace rows as ``hand_over`` does, by rows that Delta writes into files once, even if the commit is retried."""
    written = log_of(spark, str(place)).startTransaction(none(spark), none(spark)).writeFiles(rows._jdf)
    reached("moved", place)
    _commit(spark, place, [each.json() for each in listed(written)], condition, fence)


def clear(spark: SparkSession, place: Location, condition: Condition, fence: Fence = OPEN) -> None:
    """Remove the rows that meet ``condition``, on partition columns only; without such rows there is no commit."""
    _commit(spark, place, [], condition, fence)


def _move(spark: SparkSession, staged: str, place: Location, files: Collection[StagedFile]) -> None:
    for folder in {file.published.rpartition("/")[0] for file in files}:
        system, path = hadoop_path(spark, f"{place}/{folder}")
        system.mkdirs(path)
    now = int(time.time() * 1000)

    def move(file: StagedFile) -> None:
        system, source = hadoop_path(spark, f"{staged}/{file.path}")
        _, target = hadoop_path(spark, f"{place}/{file.published}")
        # VACUUM removes old files that belong to no version, and the rows of a stopped run may be that old. The time is
        # set before the rename, so that the table's folder never holds the file with its old time.
        system.setTimes(source, now, -1)
        if not system.rename(source, target):
            raise OSError(f"{source} could not be renamed to {target}")

    # In parallel, because on object stores a rename is a copy.
    _for_each(move, files)


def _for_each(work: Callable[[Any], Any], values: Collection[Any]) -> list[Any]:
    with ThreadPoolExecutor(min(_RENAMES, -(-len(values) // _MANY) or 1)) as pool:
        return list(pool.map(work, values))


def _commit(spark: SparkSession, place: Location, added: list[str], condition: Condition, fence: Fence) -> None:
    """Replace the files that meet the condition by ``add`` entries, given as JSON."""
    removed = retried(lambda: _attempt(spark, place, added, condition, fence))
    reached("committed", place)
    missing = _missing(spark, place, _paths(added))
    if missing:
        kept = _undo(spark, place, _paths(added), [each.json() for each in removed], condition, fence)
        raise TextclfError(
            "Files were removed while they were published, perhaps by a VACUUM without retention; "
            "nothing was published.",
            received=f"{len(missing)} of {len(added)} files missing from {place}, the first {missing[0]}",
            expected="no VACUUM of files that are younger than a run takes to publish",
            fix="run it again"
            if kept
            else "run it again at once: the rows that were published before are gone too, removed by the same VACUUM",
        )


def _attempt(spark: SparkSession, place: Location, added: list[str], condition: Condition, fence: Fence) -> list[Any]:
    """Make one attempt to commit, and return the entries of the files that it has removed."""
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
    # The fields of a write without dynamic overwrite or schema change, which replaces by this predicate only.
    rest = [none(spark)] * 5
    told = some(condition.text)  # shown in the table's history, but never read back
    operation = delta.DeltaOperations.Write(mode, some(columns), told, some(uuid4().hex), *rest)
    actions = [each.remove() for each in removed] + [delta.actions.Action.fromJson(each) for each in added]
    try:
        transaction.commit(sequence(spark, actions), operation)
    except Exception as error:
        # A step after the commit, such as a checkpoint, may have been cancelled; then the commit has still succeeded.
        first = next(iter(_paths(added[:1])), None)
        if first is None or lost_a_race(error) or not landed(spark, str(place), transaction.readVersion(), first):
            raise
    return removed


def _paths(added: Iterable[str]) -> list[str]:
    return [json.loads(each)["add"]["path"] for each in added]


def _missing(spark: SparkSession, place: Location, paths: Collection[str]) -> list[str]:
    """Return the paths of a table's files that are missing."""

    def there(path: str) -> bool:
        system, target = hadoop_path(spark, f"{place}/{unquote(path)}")
        return bool(system.exists(target))

    return [path for path, found in zip(paths, _for_each(there, paths), strict=True) if not found]


def _undo(
    spark: SparkSession, place: Location, added: list[str], removed: list[str], condition: Condition, fence: Fence
) -> bool:
    """Restore what a commit has removed. Returns False if those files are gone and the slices are empty now.

    A run that has lost a lock in the meantime still takes back its own files: some are missing, which would make every
    reader fail. Files that another run has published in their place stay.
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
