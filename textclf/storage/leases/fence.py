"""What keeps a run that has lost its locks from committing to a table, however late it wakes.

A lock that is looked at before a commit says nothing of the moment of the commit: a machine may stand still in
between. Two things are therefore part of the commit itself. The transaction reads the table first, and the locks are
looked at after that: a commit that another run makes from then on is a conflict, which Delta finds, and the next
attempt finds the lock gone. And who takes over the lock of a dead run first commits that run's number as one of
Delta's transaction identifiers (``txn``), which every commit of that run depends on: should it be alive after all, its
commit is refused from then on, before there is anything of its successor to be in conflict with.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from textclf.errors import LockError
from textclf.storage.commit_retry import retried
from textclf.storage.delta_log import log_of, manual_update, sequence
from textclf.storage.warehouse import Location

CLOSED = 2**63 - 1
"""Version of a run's transactions after which it has none."""


def _nothing() -> None:
    """No lock to look at."""


@dataclass(frozen=True)
class Fence:
    """Goes with a run's commits.

    Attributes:
        run_id: None for a writer that holds no locks.
        check: Looks at the run's locks; raises where one is lost.
        again: The run has had other locks before, so that tables may be closed to it though it holds these.
    """

    run_id: str | None = None
    check: Callable[[], None] = _nothing
    again: bool = False

    def guard(self, transaction: Any) -> None:
        """Called when a transaction has read the table, before it commits.

        Raises:
            LockError: A lock is lost, or the table has been closed to the run.
        """
        if self.run_id is not None:
            # As txnVersion() would note it; that also gathers what all runs have said, in a job of its own: only for
            # who may be closed out though its locks are there.
            transaction.readTxn().addOne(self.run_id)
            self._refuse_closed(transaction)
        self.check()

    def check_written(self, spark: SparkSession, place: Location) -> None:
        """Called after a commit by Delta's own writer, which says nothing of one that it has left out.

        Raises:
            LockError: A lock is lost, or the table has been closed to the run.
        """
        self.check()
        if self.again:
            self._refuse_closed(log_of(spark, folder_of(spark, place)).startTransaction())

    def _refuse_closed(self, transaction: Any) -> None:
        if self.again and self.run_id is not None and is_closed(transaction, self.run_id):
            raise LockError(
                "Another run has taken this one for dead, and closed the tables to it; it published nothing more.",
                received=f"a table that is closed to run {self.run_id}",
                expected="a run that nobody has taken over from",
                fix="run it again; where machines stall for long, set a longer lease under [lock]",
            )

    @property
    def options(self) -> dict[str, str]:
        """For Delta's own writer, which leaves out a commit whose number is not above what the table has seen.

        What was left out it does not say: look at the locks afterwards.
        """
        return {} if self.run_id is None else {"txnAppId": self.run_id, "txnVersion": str(time.time_ns())}

    @property
    def once(self) -> dict[str, str]:
        """``options`` of the only commit of the run to a table: a second one is left out, too."""
        return {} if self.run_id is None else {"txnAppId": self.run_id, "txnVersion": "1"}


OPEN = Fence()
"""Of writers without locks."""


def close(spark: SparkSession, place: Location, run_ids: Collection[str]) -> None:
    """Let no run of these commit to a table any more; a table that does not exist yet stays so."""
    if run_ids and place.exists(spark):
        retried(lambda: _close(spark, place, run_ids))


def _close(spark: SparkSession, place: Location, run_ids: Collection[str]) -> None:
    transaction = log_of(spark, folder_of(spark, place)).startTransaction()
    open_ = [run_id for run_id in run_ids if transaction.txnVersion(run_id) < CLOSED]
    if open_:
        transaction.commit(sequence(spark, closing(spark, open_)), manual_update(spark))


def closing(spark: SparkSession, run_ids: Collection[str]) -> list[Any]:
    """The actions that close a table to these runs."""
    jvm: Any = spark._jvm
    made, now = jvm.org.apache.spark.sql.delta.actions.SetTransaction, jvm.scala.Option.apply(int(time.time() * 1000))
    return [made(run_id, CLOSED, now) for run_id in run_ids]


def is_closed(transaction: Any, run_id: str) -> bool:
    """Whether a transaction's table has been closed to a run; the transaction depends on the answer."""
    return bool(transaction.txnVersion(run_id) == CLOSED)


def folder_of(spark: SparkSession, place: Location) -> str:
    """Where a table's files are, of one in a catalog, too."""
    return place.path or str(place.delta(spark).detail().select("location").collect()[0][0])
