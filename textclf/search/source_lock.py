"""Lock of a source's search: two at once would train the same trials and promote two winners."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from textclf.runs.history import record_killed
from textclf.runs.record import RunRecord
from textclf.runs.run_lock import run_locked
from textclf.runs.workspace import Workspace
from textclf.storage.leases.locks import Locks, searched
from textclf.storage.schemas import TRIALS


@contextmanager
def sources_locked(workspace: Workspace, sources: Sequence[str], search: RunRecord) -> Iterator[Locks]:
    """Take the locks on the searches of these sources; write the record of a search that was killed while it held one.

    Args:
        workspace: The session, the pipeline file (``[lock]``) and the tables.
        sources: Names of the sources.
        search: Run record of the search; from here on its commits and its record check these locks.

    Raises:
        LockError: Another search holds one of the sources.
    """
    spark, warehouse = workspace.spark, workspace.warehouse
    place = warehouse.location(TRIALS.name)
    with run_locked(spark, warehouse, place, search, workspace.pipeline.lock.lease) as locks:
        locks.take(map(searched, sources))
        record_killed(spark, warehouse, locks, place)
        yield locks
