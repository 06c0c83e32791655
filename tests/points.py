"""Actions when a run reaches a named point (``textclf.storage.run_points``), and checks afterwards."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow.fs import FileSelector
from pyspark.sql import SparkSession

from textclf.common.file_systems import file_system
from textclf.errors import LockError
from textclf.runs.record import RunRecord
from textclf.spark import cancellation
from textclf.storage import Warehouse
from textclf.storage.leases.locks import Held, LockLog, lock_name
from textclf.storage.run_points import POINTS, listening

TABLES = ("results_rejects", "results")
AT = (
    *POINTS[:3],
    *(f"moved {name}" for name in TABLES),
    *(f"{point} {name}" for name in TABLES for point in ("looked", "committed")),
    *POINTS[6:],
)
"""Each point of a run that scores, in order."""


def is_at(reached: str, point: str) -> bool:
    """Whether a listener was notified of ``point``, one of ``AT``; of a table's path only the last part counts."""
    word, _, place = reached.partition(" ")
    return f"{word} {place.rpartition('/')[2]}".strip() == point


@contextmanager
def at(point: str, what: Callable[[], object]) -> Iterator[list[str]]:
    """Call ``what`` the first time that a run reaches a point; points reached by that call are ignored."""
    done: list[str] = []

    def listen(reached: str) -> None:
        if not done and is_at(reached, point):
            done.append(reached)
            what()

    with listening(listen):
        yield done


def ask_to_stop(number: signal.Signals, *, cancels: bool = False) -> None:
    """Send this process the signal, and wait until its handler has run, which may be a moment later.

    Args:
        number: The signal.
        cancels: Whether to raise as a cancelled Spark job does where the run waits for one.
    """
    os.kill(os.getpid(), number)
    while not cancellation.asked():
        time.sleep(0.01)
    if cancels:
        raise RuntimeError("Job 7 cancelled as part of cancellation of all jobs")


def let_expire(spark: SparkSession, locks: str, output: str, held: Held) -> bool:
    """Expire a lock as if its machine had stalled for longer than the lease; return False if it is not held.

    Args:
        locks: Folder of the locks.
        output: The table that is locked.
    """
    log = LockLog(spark, f"{locks}/{lock_name(output, held)}")
    number, lease = log.newest()
    if lease is None or not lease.held:
        return False
    return log.commit(number + 1, replace(lease, expires="2020-01-01T00:00:00+00:00"))


def files_of_no_version(warehouse: Path | str, tables: Sequence[str] = TABLES) -> list[Path]:
    """Return the files in the folders of tables that no commit has named yet.

    Args:
        warehouse: The warehouse; of a URL the paths are those within its storage.
        tables: Names of the tables.
    """
    found = []
    for name in tables:
        system, folder = file_system(f"{warehouse}/{name}")
        stored = [
            each.path for each in system.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
        ]
        commits = [path for path in stored if path.endswith(".json") and "/_delta_log/" in path]
        lines = [line for path in commits for line in system.open_input_stream(path).read().decode().split("\n")]
        named = {json.loads(line)["add"]["path"].rpartition("/")[2] for line in lines if line.startswith('{"add"')}
        parts = [Path(path) for path in stored if re.search(r"/part-[^/]*\.parquet$", path)]
        found += [path for path in parts if path.name not in named]
    return found


def check_recorded_once(spark: SparkSession, warehouse: Warehouse, older: RunRecord, newer: RunRecord) -> None:
    """End both runs; the older, which the newer took for dead, must keep ``killed`` as its only record."""
    older.end("succeeded")
    with pytest.raises(LockError, match="recorded it as killed"):
        older.append(spark, warehouse)
    newer.end("succeeded")
    newer.append(spark, warehouse)
    found = {row["run_id"]: row["status"] for row in warehouse.location("runs").read(spark).collect()}
    assert found == {older.run_id: "killed", newer.run_id: "succeeded"}
