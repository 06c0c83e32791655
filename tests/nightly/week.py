"""Consecutive nights of one pipeline, with helpers to check them."""

import json
from datetime import date, timedelta
from typing import Any

from pyspark.sql import functions as F

from jobs import nightly
from tests.factories.pipeline_folder import PipelineFolder
from tests.nightly.days import STEADY, write_day
from textclf.artifact import ModelStore

MONDAY = date(2026, 1, 5)
ALL = ("ingest", "vocabulary", "models", "score", "report")


class Week(PipelineFolder):
    """The pipeline, and the results of its nights so far."""

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "warehouse/nightly.json").read_text())
        return found

    def day(self, number: int, good: dict[str, float] | None = None) -> date:
        """Write the rows of day ``number`` of the week, and return its date."""
        day = MONDAY + timedelta(days=number - 1)
        write_day(self.spark, self.folder / "input", day, good or STEADY)
        return day

    def night(self, day: date, *flags: object) -> int:
        """Run a night in this process, and return its exit code."""
        return self.run(nightly, "--date", day, *flags)

    def did(self, *steps: str) -> bool:
        """Return whether exactly these steps had work to do; check that the status file agrees with the record."""
        done = [step["step"] for step in self.record["details"]["steps"] if step["state"] == "done"]
        skipped = [step["step"] for step in self.record["details"]["steps"] if step["state"] == "skipped"]
        assert self.status["steps"] == self.record["details"]["steps"]
        assert self.status["run_id"] == self.record["run_id"]
        assert sorted(done + skipped) == sorted(ALL), self.said
        return done == list(steps)

    def plan(self, step: str, subject: object) -> str:
        """Return the line of the night's plan for a source or day in a step."""
        words = [step, str(subject)]
        lines: list[str] = self.record["details"]["plan"]
        return next(line for line in lines if line.split()[:2] == words)

    def published(self) -> dict[date, tuple[int, int, int]]:
        """Return the numbers of rows, runs and good texts by day."""
        rows = self.rows("results").groupBy("ds")
        found = rows.agg(F.count("*"), F.count_distinct("run_id"), F.count_if(F.col("label") == "1")).collect()
        return {day: (count, runs, good) for day, count, runs, good in found}

    def corpus(self) -> dict[str, int]:
        """Return the number of corpus records by source."""
        found = self.rows("corpus").groupBy("source").count().collect()
        return {row["source"]: row["count"] for row in found}

    def runs(self) -> dict[str, int]:
        """Return the number of run records by job and status."""
        found = self.rows("runs").groupBy("job", "status").count().collect()
        return {f"{row['job']} {row['status']}": row["count"] for row in found}

    def versions(self) -> dict[str, str | None]:
        store = ModelStore(self.warehouse.models)
        return {name: store.champion(name) for name in store.names()}

    def pages(self) -> int:
        return len(list((self.folder / "warehouse/reports").glob("*.html")))

    def newest_page(self) -> str:
        """Return the text of the newest report."""
        newest = max((self.folder / "warehouse/reports").glob("*.html"), key=lambda path: path.stat().st_mtime)
        return newest.read_text(encoding="utf-8")
