"""Publish staged rows: replace slices of a table, whole or not at all."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from textclf.storage.commit_retry import retried
from textclf.storage.conditions import Condition
from textclf.storage.delta_log import listed, transaction_of
from textclf.storage.file_commit import copies_because, gather, hand_over, look_ahead
from textclf.storage.leases.fence import OPEN, Fence
from textclf.storage.leases.locks import UPKEEP, Locks
from textclf.storage.run_points import reached
from textclf.storage.schema_changes import check_rows
from textclf.storage.schemas import TableSpec
from textclf.storage.staged_table import StagedFile, StagedTable, url_of
from textclf.storage.table_creation import as_new, begin, with_columns
from textclf.storage.warehouse import Location


@dataclass(frozen=True)
class Slice:
    """The rows of one day and source; None stands for rows without a day or source."""

    ds: date | None
    source: str | None


@dataclass(frozen=True)
class Target:
    """A table to publish to."""

    place: Location
    spec: TableSpec

    def folder(self, spark: SparkSession, other: str) -> str:
        """Return where files are to be stored so that a commit can publish them: the table's own folder.

        Args:
            spark: An open session.
            other: Folder for a table that cannot take files and gets copies of their rows.

        Raises:
            InputError: There is no table yet, and its folder holds other files.
        """
        if copies_because(spark, self.place, self.spec) is not None:
            return other
        if self.place.seen(spark) is None:  # as the look just now has found
            begin(spark, str(self.place), self.spec)
        return str(self.place)

    def write(self, rows: DataFrame) -> list[StagedFile]:
        """Write rows as files of the table that no version names yet, with Delta's own writer, in one Spark job.

        Args:
            rows: Rows with the columns of the table, for a table that can take files (``copies_because``).

        Raises:
            InputError: There is no table yet, and its folder holds other files.
        """
        spark, place = rows.sparkSession, str(self.place)
        transaction = transaction_of(spark, place)  # it will never be committed
        if transaction.readVersion() < 0:
            as_new(spark, transaction, place, self.spec)
        else:
            with_columns(spark, transaction, self.spec)
        found = transaction.writeFiles(rows.select(*self.spec.columns)._jdf)
        root = url_of(spark, place)
        return [StagedFile.written(json.loads(each.json())["add"], root) for each in listed(found)]

    def check(self, spark: SparkSession, made: Callable[[], DataFrame]) -> None:
        """Refuse rows that the table would refuse; a missing table accepts all.

        Args:
            spark: An open session.
            made: Function that returns the rows; it is called only if they have to be looked at.

        Raises:
            InputError: Rows break a constraint of the table.
        """
        check_rows(spark, self.place, lambda: made().select(*self.spec.columns))


@dataclass(frozen=True)
class Targets:
    """The two tables to which a scoring pass publishes: accepted rows, and rejects in ``rejected``."""

    accepted: Target
    rejected: Target

    @property
    def id_type(self) -> DataType:
        """Type of the ids in both tables."""
        return self.accepted.spec.schema["id"].dataType

    def look_ahead(self, spark: SparkSession) -> None:
        """Prepare to publish while other work is still running."""
        for target in (self.rejected, self.accepted):
            look_ahead(spark, target.place)

    def await_upkeep(self, locks: Locks) -> None:
        """Wait until no maintenance works on either table.

        The table of rejects may be shared with other tables of results.

        Raises:
            StoppedError: The run was asked to stop while it waited.
        """
        for target in (self.accepted, self.rejected):
            locks.await_free(UPKEEP, str(target.place))

    def publish(self, stored: DataFrame, run_id: str, slices: Collection[Slice], fence: Fence = OPEN) -> None:
        """Replace the slices by staged rows: rows with a reason in one table, all others in the other.

        Two tables take two commits. The rejects come first, so that the commit of the accepted rows is the one that
        publishes: before it the results are those of the previous run, after it nothing is left to do. A run that is
        killed in between leaves rejects that are ahead of the results; the next run of the same slices replaces both.
        A commit that conflicts with another writer changes nothing and is tried again.

        Raises:
            InputError: Rows break a constraint of a table.
        """
        stamped = stored.withColumn("run_id", F.lit(run_id))
        reason = F.col("reason")
        parts = [(self.rejected, stamped.where(reason.isNotNull())), (self.accepted, stamped.where(reason.isNull()))]
        for target, rows in parts:
            target.check(stored.sparkSession, lambda rows=rows: rows)  # type: ignore[misc]
        for target, rows in parts:
            replace_slices(target.place, rows, target.spec, slices, fence)

    def take_over(self, staged: StagedTable, slices: Collection[Slice], fence: Fence = OPEN) -> str | None:
        """Publish rows that a run has staged: by a commit of their files' names, or by copies where it must be.

        Args:
            staged: The staged table.
            slices: Slices to replace.
            fence: Fence that keeps the run from committing after it has lost its locks.

        Returns:
            Why rows were copied; None if none was.

        Raises:
            LockError: The run has lost a lock. Tables that it has not committed to are unchanged.
            LostFilesError: Another process has removed staged files.
            InputError: Rows break a constraint of a table. Neither table has changed, unless the constraint was added
                after the rows were checked.
        """
        if not slices:
            return None
        parts = [
            (target, [file for file in staged.files if file.rejected == rejected])
            for target, rejected in ((self.rejected, True), (self.accepted, False))
        ]
        for target, files in parts:
            if files:
                target.check(staged.spark, partial(staged.rows_in, files))
        spark, folder, condition = staged.spark, str(staged.place), of_slices(slices)
        staged.published = True
        gathered, reasons = set(), []
        # All files are looked for, and made young, before the first commit: what is missing then leaves both tables.
        for target, files in parts:
            if files and _copies_because(spark, target, files, fresh=False) is None:  # the check has just looked
                gather(spark, folder, files, target.place, target.spec)
                gathered.add(target.spec.name)
        for target, files in parts:
            why, spec = _copies_because(spark, target, files), target.spec  # again: the table may have changed
            if why is None:
                done = spec.name in gathered
                hand_over(spark, folder, files, target.place, spec, condition, fence, gathered=done)
            else:
                reasons += [f"{spec.name}: {why}"] if files else []
                replace_slices(target.place, staged.rows_in(files), spec, slices, fence)
        return "; ".join(reasons) or None


def _copies_because(
    spark: SparkSession, target: Target, files: Collection[StagedFile], *, fresh: bool = True
) -> str | None:
    why = copies_because(spark, target.place, target.spec, fresh=fresh)
    if why is None and not all(file.whole for file in files):
        return "staged by an earlier release, or with types that only Spark writes"
    return why


def replace_slices(
    place: Location, df: DataFrame, spec: TableSpec, slices: Collection[Slice], fence: Fence = OPEN
) -> None:
    """Replace slices of a table by ``df`` in one commit; slices without rows in ``df`` become empty.

    Raises:
        LockError: The run of ``fence`` has lost a lock.
    """
    if not slices:
        return

    def attempt() -> None:
        # Look before the locks are checked: a table created after that is another run's, and has never been closed
        # to this run.
        there = place.exists(df.sparkSession)
        fence.check()
        reached("looked", place)
        place.replace(_gathered(df, spec), spec, of_slices(slices), fence.options, there)
        fence.check_written(df.sparkSession, place)

    retried(attempt)
    reached("committed", place)


def _gathered(df: DataFrame, spec: TableSpec) -> DataFrame:
    """Repartition rows by slice, so that not every task writes a small file for every slice."""
    # Adaptive execution splits large slices and joins small ones, to spark.sql.adaptive.advisoryPartitionSizeInBytes.
    return df.hint("rebalance", *spec.partition_by)


def of_slices(slices: Collection[Slice]) -> Condition:
    """Make the condition that selects the rows of ``slices``. Days with the same sources share one alternative.

    Example:
        >>> of_slices([Slice(date(2026, 1, 31), "joe's"), Slice(None, None)]).alternatives
        ({'ds': [datetime.date(2026, 1, 31)], 'source': ["joe's"]}, {'ds': [None], 'source': [None]})
    """
    by_day: dict[date | None, set[str | None]] = {}
    for each in slices:
        by_day.setdefault(each.ds, set()).add(each.source)
    days: dict[frozenset[str | None], list[date | None]] = {}
    for day, sources in by_day.items():
        days.setdefault(frozenset(sources), []).append(day)
    return Condition(tuple({"ds": found, "source": _in_order(sources)} for sources, found in days.items()))


def _in_order(sources: Collection[str | None]) -> list[str | None]:
    return sorted(sources, key=lambda source: (source is None, source or ""))
