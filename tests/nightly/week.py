"""Nights of one pipeline, one after another, as their tests look at them."""

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
    """The pipeline, and what nights left so far."""

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "warehouse/nightly.json").read_text())
        return found

    def day(self, number: int, good: dict[str, float] | None = None) -> date:
        """Day ``number`` of the week; its rows go into the table."""
        day = MONDAY + timedelta(days=number - 1)
        write_day(self.spark, self.folder / "input", day, good or STEADY)
        return day

    def night(self, day: date, *flags: object) -> int:
        """Run a night in this process; its exit code."""
        return self.run(nightly, "--date", day, *flags)

    def did(self, *steps: str) -> bool:
        """Whether the night did something in these steps and in no other, and left the right status."""
        done = [step["step"] for step in self.record["details"]["steps"] if step["state"] == "done"]
        skipped = [step["step"] for step in self.record["details"]["steps"] if step["state"] == "skipped"]
        assert self.status["steps"] == self.record["details"]["steps"]
        assert self.status["run_id"] == self.record["run_id"]
        assert sorted(done + skipped) == sorted(ALL), self.said
        return done == list(steps)

    def plan(self, step: str, subject: object) -> str:
        """What the night's plan says of a source or day in a step."""
        words = [step, str(subject)]
        lines: list[str] = self.record["details"]["plan"]
        return next(line for line in lines if line.split()[:2] == words)

    def published(self) -> dict[date, tuple[int, int, int]]:
        """By day: rows, runs, and good texts."""
        rows = self.rows("results").groupBy("ds")
        found = rows.agg(F.count("*"), F.count_distinct("run_id"), F.count_if(F.col("label") == "1")).collect()
        return {day: (count, runs, good) for day, count, runs, good in found}

    def corpus(self) -> dict[str, int]:
        """Records of the corpus by source."""
        found = self.rows("corpus").groupBy("source").count().collect()
        return {row["source"]: row["count"] for row in found}

    def runs(self) -> dict[str, int]:
        """Number of records by job and status."""
        found = self.rows("runs").groupBy("job", "status").count().collect()
        return {f"{row['job']} {row['status']}": row["count"] for row in found}

    def versions(self) -> dict[str, str | None]:
        store = ModelStore(self.warehouse.models)
        return {name: store.champion(name) for name in store.names()}

    def pages(self) -> int:
        return len(list((self.folder / "warehouse/reports").glob("*.html")))

    def newest_page(self) -> str:
        """Text of the report that was written last."""
        newest = max((self.folder / "warehouse/reports").glob("*.html"), key=lambda path: path.stat().st_mtime)
        return newest.read_text(encoding="utf-8")
