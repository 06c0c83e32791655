"""The table ``trials``: gets each trial within seconds of its end, and gives a later search the results it needs."""

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from textclf.runs.workspace import Workspace
from textclf.search.trial import Result, Trial
from textclf.storage.driver_append import append_rows, merge_appended
from textclf.storage.schemas import TRIALS
from textclf.storage.warehouse import Location

_EVERY, _LATEST = 2.0, 10.0  # least and most seconds between two commits
_SHARE = 0.05  # largest share of the time spent in commits, which on a small machine take a core from trials
_ENDED = ("succeeded", "diverged", "failed")


@dataclass
class Ledger:
    """Write the trials of one search in small commits.

    Results reach the driver as trials end, and only the driver writes. A commit is atomic, so that a search killed at
    any point has each of its trials once or not yet.
    """

    spark: SparkSession
    place: Location
    search_id: str
    written: int = 0
    _waiting: list[tuple[Trial, Result]] = field(default_factory=list)
    _due: float = 0.0

    @classmethod
    def of(cls, workspace: Workspace, search_id: str) -> "Ledger":
        """The table of a warehouse, created if it is missing."""
        place = workspace.warehouse.location(TRIALS.name)
        place.ensure(workspace.spark, TRIALS)
        return cls(workspace.spark, place, search_id)

    def known(self, sources: Collection[str]) -> dict[str, Result]:
        """The newest result of each trial of the sources that an earlier search has finished, by the trial's key."""
        table = self.place.read(self.spark).where(F.col("source").isin(list(sources)) & F.col("status").isin(*_ENDED))
        newest = (
            table.groupBy("trial").agg(F.max_by(F.struct(*table.columns), "started_at").alias("row")).select("row.*")
        )
        found = {}
        for row in newest.toLocalIterator(prefetchPartitions=True):
            found[row["trial"]] = Result(
                row["trial"],
                row["status"],
                row["started_at"].timestamp(),
                row["seconds"],
                row["accuracy"],
                row["loss"],
                row["epochs"],
                row["error"],
                json.loads(row["history"]),
            )
        return found

    def add(self, trial: Trial, result: Result) -> None:
        """Add a result to be written."""
        self._waiting.append((trial, result))

    def flush(self, *, all_of_it: bool = False) -> None:
        """Write the waiting results if they have waited long enough, or in any case with ``all_of_it``."""
        begin = time.monotonic()
        if self._waiting and (all_of_it or begin >= self._due):
            self._write(self._waiting)
            self.written += len(self._waiting)
            now = time.monotonic()
            self._waiting, self._due = [], now + min(max((now - begin) / _SHARE, _EVERY), _LATEST)

    def merge(self) -> None:
        """Merge the commits of searches, so that a later one reads few files; call this when no trial is running."""
        merge_appended(self.spark, self.place, TRIALS)

    def _write(self, ended: Sequence[tuple[Trial, Result]]) -> None:
        rows = [self._row(trial, result) for trial, result in ended]
        append_rows(self.spark, self.place, TRIALS, rows)

    def _row(self, trial: Trial, result: Result) -> tuple[object, ...]:
        values = {
            "search_id": self.search_id,
            "trial": result.key,
            "source": trial.info.source,
            "architecture": trial.candidate.architecture,
            "params": trial.candidate.params,
            "outer_fold": trial.outer,
            "fold": trial.fold,
            "seed": trial.settings.seed,
            "budget": trial.settings.epochs,
            "status": result.status,
            "accuracy": result.accuracy,
            "loss": result.loss,
            "epochs": result.epochs,
            "seconds": result.seconds,
            "parameters": trial.parameters,
            "history": json.dumps(result.history),
            "error": result.said,
            "corpus_digest": trial.info.corpus_digest,
            "started_at": datetime.fromtimestamp(result.started_at, UTC),
        }
        return tuple(values[name] for name in TRIALS.columns)
