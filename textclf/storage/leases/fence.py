"""A fence keeps a run that has lost its locks from committing to a table, however late the run wakes up.

A lock that is checked before a commit says nothing about the moment of the commit, because the machine may stall in
between. So two things are part of the commit itself. First, the transaction reads the table and then the locks are
checked: if another run commits after that, Delta reports a conflict, and the next attempt finds the lock gone. Second,
a run that takes over the lock of a dead run first closes the table to it: it commits the dead run's identifier as one
of Delta's transaction identifiers (``txn``), on which every commit of the dead run depends. If that run is alive after
all, its commits are refused from then on, before its successor has committed anything to conflict with.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from textclf.common.java_classes import JavaClasses
from textclf.errors import LockError
from textclf.storage.commit_retry import retried
from textclf.storage.delta_log import log_of, manual_update, sequence
from textclf.storage.warehouse import Location

CLOSED = 2**63 - 1
"""Version of a run's transaction identifier that marks a table as closed to the run."""


def _nothing() -> None:
    """Do nothing: there is no lock to check."""


@dataclass(frozen=True)
class Fence:
    """Guard of a run's commits.

    Attributes:
        run_id: Identifier of the run; None for a writer without locks.
        check: Function that checks the run's locks and raises if one is lost.
        again: Whether the run has held other locks before. Then tables may be closed to it even if it still holds its
            present locks.
    """

    run_id: str | None = None
    check: Callable[[], None] = _nothing
    again: bool = False

    def guard(self, transaction: Any) -> None:
        """Check the run after a transaction has read the table and before it commits.

        Raises:
            LockError: A lock is lost, or the table has been closed to the run.
        """
        if self.run_id is not None:
            # txnVersion() would record the dependency too, but it also collects the identifiers of all runs in a Spark
            # job. Only a run that has held locks before needs that.
            transaction.readTxn().addOne(self.run_id)
            self._refuse_closed(transaction)
        self.check()

    def check_written(self, spark: SparkSession, place: Location) -> None:
        """Check the run after a commit by Delta's own writer, which does not report a commit that it has skipped.

        Raises:
            LockError: A lock is lost, or the table has been closed to the run.
        """
        self.check()
        if self.again:
            self._refuse_closed(log_of(spark, folder_of(spark, place)).startTransaction())

    def _refuse_closed(self, transaction: Any) -> None:
        if self.again and self.run_id is not None and is_closed(transaction, self.run_id):
            raise LockError(
                "Another run has taken over from this run, which seemed dead; this run published nothing more.",
                received=f"a table that is closed to run {self.run_id}",
                expected="a run whose locks no other run has taken over",
                fix="run it again; if machines stall for long, set a longer lease under [lock]",
            )

    @property
    def options(self) -> dict[str, str]:
        """Options for Delta's own writer, which skips a commit whose number is not above the table's last one.

        The writer does not report a skipped commit, so check the locks afterwards.
        """
        return {} if self.run_id is None else {"txnAppId": self.run_id, "txnVersion": str(time.time_ns())}

    @property
    def once(self) -> dict[str, str]:
        """Options as in ``options`` for a run that commits to a table only once: a second commit is skipped."""
        return {} if self.run_id is None else {"txnAppId": self.run_id, "txnVersion": "1"}


OPEN = Fence()
"""Fence of writers without locks."""


def close(spark: SparkSession, place: Location, run_ids: Collection[str]) -> None:
    """Close a table to runs, so that none of them can commit to it any more. A missing table is not created."""
    if run_ids and place.exists(spark):
        retried(lambda: _close(spark, place, run_ids))


def _close(spark: SparkSession, place: Location, run_ids: Collection[str]) -> None:
    transaction = log_of(spark, folder_of(spark, place)).startTransaction()
    open_ = [run_id for run_id in run_ids if transaction.txnVersion(run_id) < CLOSED]
    if open_:
        transaction.commit(sequence(spark, closing(spark, open_)), manual_update(spark))


def closing(spark: SparkSession, run_ids: Collection[str]) -> list[Any]:
    """Return the Delta actions that close a table to runs."""
    jvm = JavaClasses(spark._jvm)
    made, now = jvm.org.apache.spark.sql.delta.actions.SetTransaction, jvm.scala.Option.apply(int(time.time() * 1000))
    return [made(run_id, CLOSED, now) for run_id in run_ids]


def is_closed(transaction: Any, run_id: str) -> bool:
    """Whether a transaction's table has been closed to a run. The transaction then depends on the answer."""
    return bool(transaction.txnVersion(run_id) == CLOSED)


def folder_of(spark: SparkSession, place: Location) -> str:
    """Return the folder of a table's files, also for a table in a catalog."""
    return place.path or str(place.delta(spark).detail().select("location").collect()[0][0])
