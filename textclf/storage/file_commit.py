"""Commit files to a published table by their names: files are never read or written again, and usually not moved.

A slice is a partition of the published table, and staged files are in folders with the same names. So publishing them
is a commit of names: the slices' old files are removed and the staged files are added. Until that commit, the files
belong to no version of the table; if the run is killed, VACUUM removes them when they are older than the retention.
"""

import json
import time
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from textclf.common.java_classes import JavaClasses
from textclf.errors import LockError, TextclfError
from textclf.storage.commit_retry import lost_a_race, retried
from textclf.storage.conditions import NOTHING, Condition
from textclf.storage.delta_log import (
    files_meeting,
    hadoop_path,
    known_files,
    landed,
    listed,
    log_of,
    manual_update,
    none,
    sequence,
    transaction_of,
)
from textclf.storage.leases.fence import OPEN, Fence
from textclf.storage.plain_files import PLAIN_WRITER, for_each, missing
from textclf.storage.run_points import reached
from textclf.storage.schema_changes import has_constraints
from textclf.storage.schemas import TableSpec
from textclf.storage.staged_table import StagedFile, url_of
from textclf.storage.table_creation import as_new, begin, with_columns
from textclf.storage.warehouse import Location


class LostFilesError(TextclfError):
    """Files that were to be published are gone."""


def copies_because(spark: SparkSession, place: Location, spec: TableSpec, *, fresh: bool = True) -> str | None:
    """Say why a table cannot take files of ``spec`` as they are; None if it can, or if there is no table yet.

    Args:
        spark: An open session.
        place: Location of the table.
        spec: Specification of the files.
        fresh: Whether to look at the table now, and not to answer by what Delta has read last.
    """
    if place.path is None:
        return "a table of a catalog, which may need to know each file"
    snapshot = place.snapshot(spark) if fresh else place.seen(spark)
    if snapshot is None:
        return None
    metadata, version = snapshot.metadata(), snapshot.protocol().minWriterVersion()
    found = StructType.fromJson(json.loads(metadata.schema().json()))
    if version > PLAIN_WRITER:
        return f"the table has features of Delta's writer version {version}"
    # As simple strings, which leave out what may be null: that is a constraint, and makes no difference to files.
    columns, wanted = ({each.name: each.dataType.simpleString() for each in schema} for schema in (found, spec.schema))
    if any(columns.get(name, kind) != kind for name, kind in wanted.items()):
        return "the table has columns of other types"
    if tuple(listed(metadata.partitionColumns())) != spec.partition_by:
        return "the table has other partitions"
    # Delta's writer checks them. Readers trust them: Spark finds no null in a column that is NOT NULL.
    return "the table has constraints" if has_constraints(spark, metadata) else None


def look_ahead(spark: SparkSession, place: Location) -> None:
    """Let Delta find a table's files in advance if that takes a Spark job. Delta caches them until the next commit.

    This queries the files as ``_commit`` does, because ``_commit`` cannot use what other queries have cached.
    """
    snapshot = None if place.path is None else place.seen(spark)
    if snapshot is not None and known_files(snapshot) is None:
        transaction = log_of(spark, str(place)).startTransaction(none(spark), none(spark))
        _files(spark, transaction, NOTHING)


def _files(spark: SparkSession, transaction: Any, condition: Condition) -> list[Any]:
    """Find a table's files that meet a condition. Delta uses what a transaction has read to detect conflicts."""
    expression, known = condition.expression(spark), known_files(transaction.snapshot())
    predicates = sequence(spark, [expression])
    if known is None:
        return list(listed(transaction.filterFiles(predicates, False)))
    found = files_meeting(spark, transaction.snapshot(), known, expression)
    transaction.trackReadPredicates(predicates, True, True)
    transaction.trackFilesRead(found)
    return list(listed(found))


def hand_over(
    spark: SparkSession,
    folder: str,
    files: Collection[StagedFile],
    place: Location,
    spec: TableSpec,
    condition: Condition,
    fence: Fence = OPEN,
    *,
    gathered: bool = False,
) -> None:
    """Replace the rows that meet ``condition`` by staged files, in one commit, which creates a missing table.

    Args:
        spark: An open session.
        folder: Folder of those files that are not in the table's folder yet, as earlier releases staged them.
        files: Staged files; none removes the rows.
        place: Location of the table, a path or URL.
        spec: Specification of the table. The commit adds columns that the table lacks.
        condition: Condition on partition columns only.
        fence: Fence of the run.
        gathered: Whether the files have been gathered already.

    Raises:
        LockError: The run of ``fence`` has lost a lock; nothing has changed.
        LostFilesError: Another process has removed files before or while they were published. The previous rows are
            published, as before.
    """
    if files and not gathered:
        gather(spark, folder, files, place, spec)
    _commit(spark, place, spec, [file.as_published() for file in files], condition, fence)


def gather(spark: SparkSession, staged: str, files: Collection[StagedFile], place: Location, spec: TableSpec) -> None:
    """Have all files in the table's folder, and make them young, which object stores do not allow.

    VACUUM removes old files that belong to no version, and the rows of a stopped run may be that old. The time of a
    file that moves is set first, so that the table's folder never holds the file with its old time.

    Args:
        spark: An open session.
        staged: Folder of those files that are not in the table's folder yet.
        files: Staged files.
        place: Location of the table.
        spec: Specification of the table, to begin a missing one.

    Raises:
        LostFilesError: Another process has removed files.
    """
    root, now = url_of(spark, str(place)), int(time.time() * 1000)
    moved = [file for file in files if not file.is_in(root)]
    if moved and not place.exists(spark):
        begin(spark, str(place), spec)
    for folder in {file.published.rpartition("/")[0] for file in moved}:
        system, path = hadoop_path(spark, f"{place}/{folder}")
        system.mkdirs(path)
    if lost := missing(spark, [file.place(staged) for file in files]):
        raise _lost(place, lost, len(files), "run it again")

    def take(file: StagedFile) -> None:
        system, source = hadoop_path(spark, file.place(staged))
        _, target = hadoop_path(spark, f"{place}/{file.published}")
        system.setTimes(source, now, -1)
        if file in moved and not system.rename(source, target):
            raise OSError(f"{source} could not be renamed to {target}")

    for_each(take, files)
    reached("moved", place)


def _lost(place: Location, lost: Collection[str], count: int, fix: str) -> LostFilesError:
    return LostFilesError(
        "Files were removed while they were published, perhaps by a VACUUM without retention; nothing was published.",
        received=f"{len(lost)} of {count} files missing from {place}, the first {min(lost)}",
        expected="no VACUUM of files that are younger than a run takes to publish",
        fix=fix,
    )


def _commit(
    spark: SparkSession, place: Location, spec: TableSpec, added: list[str], condition: Condition, fence: Fence
) -> None:
    """Replace the files that meet the condition by ``add`` entries, given as JSON."""
    removed = retried(lambda: _attempt(spark, place, spec, added, condition, fence))
    reached("committed", place)
    if lost := _missing(spark, place, _paths(added)):
        kept = _undo(spark, place, _paths(added), [each.json() for each in removed], condition, fence)
        gone = "run it again at once: the rows that were published before are gone too, removed by the same VACUUM"
        raise _lost(place, lost, len(added), "run it again" if kept else gone)


def _attempt(
    spark: SparkSession, place: Location, spec: TableSpec, added: list[str], condition: Condition, fence: Fence
) -> list[Any]:
    """Make one attempt to commit, and return the entries of the files that it has removed."""
    jvm = JavaClasses(spark._jvm)
    delta = jvm.org.apache.spark.sql.delta
    transaction = transaction_of(spark, str(place))
    new = transaction.readVersion() < 0
    found = [] if new else _files(spark, transaction, condition)
    # Files that are named already, by a commit whose answer was lost or by a run that was stopped after it, stay.
    there, names = {each.path() for each in found}, set(_paths(added))
    removed = [each for each in found if each.path() not in names]
    entries = [each for each, path in zip(added, _paths(added), strict=True) if path not in there]
    lacking = not new and with_columns(spark, transaction, spec)
    if not removed and not entries and not new and not lacking:
        fence.check()
        return []
    if new:
        as_new(spark, transaction, str(place), spec, begun=bool(added))
    fence.guard(transaction)
    reached("looked", place)
    some = jvm.scala.Option.apply
    modes = jvm.org.apache.spark.sql.SaveMode
    columns = transaction.metadata().partitionColumns()
    # The fields of a write without dynamic overwrite, which replaces by this predicate only.
    rest = [none(spark)] * 5
    told = none(spark) if new else some(condition.text)  # shown in the table's history, but never read back
    mode = modes.ErrorIfExists if new else modes.Overwrite
    operation = delta.DeltaOperations.Write(mode, some(columns), told, some(uuid4().hex), *rest)
    actions = [each.remove() for each in removed] + [delta.actions.Action.fromJson(each) for each in entries]
    try:
        transaction.commit(sequence(spark, actions), operation)
    except Exception as error:
        # A step after the commit, such as a checkpoint, may have been cancelled; then the commit has still succeeded.
        first = next(iter(_paths(entries[:1])), None)
        if first is None or lost_a_race(error) or not landed(spark, str(place), transaction.readVersion(), first):
            raise
    return removed


def _paths(added: Iterable[str]) -> list[str]:
    return [json.loads(each)["add"]["path"] for each in added]


def _missing(spark: SparkSession, place: Location, paths: Collection[str]) -> list[str]:
    """Return the places of a table's files, of these paths in its log, that are missing."""
    return missing(spark, [f"{place}/{unquote(path)}" for path in paths])


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
        jvm = JavaClasses(spark._jvm)
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
