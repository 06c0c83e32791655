"""Consecutive nights of one pipeline, with helpers to check them."""

import json
from datetime import date, timedelta
from typing import Any

from pyspark.sql import functions as F

from jobs import nightly
from tests.factories.chain_folder import ChainFolder
from tests.nightly.days import STEADY, write_day

MONDAY = date(2026, 1, 5)


class Week(ChainFolder):
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
        """Return as in ``ChainFolder``; check that the status file agrees with the record."""
        assert self.status["steps"] == self.record["details"]["steps"]
        assert self.status["run_id"] == self.record["run_id"]
        return super().did(*steps)

    def published(self) -> dict[date, tuple[int, int, int]]:
        """Return the numbers of rows, runs and good texts by day."""
        rows = self.rows("results").groupBy("ds")
        found = rows.agg(F.count("*"), F.count_distinct("run_id"), F.count_if(F.col("label") == "1")).collect()
        return {day: (count, runs, good) for day, count, runs, good in found}

    def newest_page(self) -> str:
        """Return the text of the newest report."""
        newest = max((self.folder / "warehouse/reports").glob("*.html"), key=lambda path: path.stat().st_mtime)
        return newest.read_text(encoding="utf-8")
