"""A backfill that is killed twice ends with the rows of an undisturbed one.

    python -m tests.soak.backfill [--days 30] [--rows 100000] [--master local[2]]

Prints the days that each run found done, the number of rows, and the number of rows that differ from the undisturbed
run. The exit code is 1 if any differ.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from tests.factories.artifacts import sample
from textclf.artifact import ModelStore

ROOT = Path(__file__).parents[2]
FIRST = date(2026, 1, 1)
COLUMNS = ["id", "source", "ds", "label", "score", "known_tokens", "model", "model_version", "model_digest"]
TEXTS = ("good food", "bad", "the food was good again", "unknown", None)


@dataclass(frozen=True)
class Backfill:
    """A range of days to score.

    Attributes:
        work: Folder of the input, the models and the tables.
        rows: Rows of each day.
    """

    work: Path
    days: int
    rows: int
    master: str = "local[2]"

    def prepare(self) -> None:
        """Write the input, the model and a pipeline file."""
        store = ModelStore(str(self.work / "models"))
        store.promote("yelp", store.save(sample("yelp")).manifest.version)
        (self.work / "input").mkdir()
        for number in range(self.days):
            ids = pa.array(range(number * self.rows, (number + 1) * self.rows), pa.int64())
            texts = [TEXTS[(at * (number + 7) + at // 11) % len(TEXTS)] for at in range(self.rows)]
            days = [FIRST + timedelta(days=number)] * self.rows
            pq.write_table(pa.table({"id": ids, "text": texts, "ds": days}), self.work / f"input/{number}.parquet")

    def config(self, name: str) -> Path:
        """Write a pipeline file for a separate warehouse and return its path."""
        path = self.work / f"{name}.toml"
        path.write_text(
            f'warehouse = "{self.work / name}"\nmodels = "{self.work / "models"}"\n'
            '[[sources]]\nname = "yelp"\npath = "none"\nformat = "jsonl"\n'
            f'[score]\ninput = "{self.work / "input"}"\nmodel = "yelp"\ndate = "ds"\n'
            "[gate]\nmax_rejects = 1.0\nmax_unknown = 1.0\n"
        )
        return path

    @property
    def flags(self) -> list[str]:
        """The command-line flags that select the range."""
        return ["--from", str(FIRST), "--to", str(FIRST + timedelta(days=self.days - 1))]

    def run(self, name: str, kill_after: int | None = None) -> dict[str, int]:
        """Score the range; with ``kill_after``, kill the driver with SIGKILL once that many more days are published.

        Returns:
            The number of days by status from the run record; empty if the run was killed.
        """
        command = [sys.executable, str(ROOT / "jobs/score_table.py"), "--config", str(self.config(name)), *self.flags]
        environ = os.environ | {"PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"}
        environ["PYSPARK_SUBMIT_ARGS"] = f"--master {self.master} --driver-memory 2g pyspark-shell"
        before = self.commits(name)
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            while kill_after is not None and process.poll() is None and self.commits(name) < before + kill_after:
                time.sleep(0.01)
        finally:
            if kill_after is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()[0].decode().strip()
        days: dict[str, int] = json.loads(said.rpartition("\n")[2])["details"]["days"] if said else {}
        return days

    def commits(self, name: str) -> int:
        """Count the commits of the results so far; each day is one commit."""
        return len(list((self.work / name / "results/_delta_log").glob("*.json")))

    def compare(self, one: str, other: str) -> int:
        """Count the rows that differ between two warehouses; -1 if the numbers of rows differ."""
        tables = [rows_of(self.work / name) for name in (one, other)]
        return sum(a != b for a, b in zip(*tables, strict=True)) if len(tables[0]) == len(tables[1]) else -1


def rows_of(warehouse: Path) -> list[tuple[object, ...]]:
    """Return the published rows and then the rejects, each sorted by id."""
    accepted = DeltaTable(str(warehouse / "results")).to_pyarrow_table(columns=COLUMNS)
    refused = DeltaTable(str(warehouse / "results_rejects")).to_pyarrow_table(columns=["id", "source", "ds", "reason"])
    return [
        row
        for found in (accepted, refused)
        for row in zip(*(column.to_pylist() for column in found.sort_by("id").columns), strict=True)
    ]


def killed_twice(backfill: Backfill, name: str) -> list[dict[str, int]]:
    """Kill a backfill twice, then let it finish; return the days by status of each run."""
    # Two days are scored concurrently. At the third commit, at least one day is recorded and so counts as done.
    days = max(backfill.days // 3, 3)
    return [backfill.run(name, days), backfill.run(name, days), backfill.run(name)]


def main() -> int:
    """Run the backfills and print the result."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--days", type=int, default=30)
    made.add_argument("--rows", type=int, default=100_000)
    made.add_argument("--master", default="local[2]")
    args = made.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        backfill = Backfill(Path(folder), args.days, args.rows, args.master)
        backfill.prepare()
        starts = killed_twice(backfill, "killed")
        undisturbed = backfill.run("undisturbed")
        found = {
            "killed, killed, ended": starts,
            "undisturbed": undisturbed,
            "rows": len(rows_of(backfill.work / "killed")),
            "rows that differ": backfill.compare("killed", "undisturbed"),
        }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return int(found["rows that differ"] != 0 or found["rows"] != args.days * args.rows)


if __name__ == "__main__":
    sys.exit(main())
