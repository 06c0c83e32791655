"""Faults against scoring, one after another, while a reader looks on: ``make soak``.

    python -m tests.soak.campaign [--faults 200] [--seed 1] [--rows 20000] [--days 3] [--master local-cluster[1,2,1024]]
                                  [--folder FOLDER [--minutes 8]]

Each round starts ``score_table --from --to`` on one of two versions of the input and kills -9, at moments drawn at
random: executors or Python workers up to six times, then the driver with all that belongs to it, at any moment or
just as a file of staging, of the rejects or of the results appears, or nothing more. A second run now and then races
the first. The reader loads both tables with deltalake all the time. In the end the range is scored once without a
fault.

With ``--folder`` the tables and the counts stay there, and the same command takes the campaign up where it was:
``--minutes`` ends a piece of it.

Counted: looks at a slice that is not whole (rows of two runs, or not as many as a version of the input has), rows lost
or double in the end, killed drivers without a record, locks left behind. Exit code 1 where any of them is not 0.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from tests.artifact.samples import sample
from textclf.artifact import ModelStore

ROOT = Path(__file__).parents[2]
FIRST = date(2026, 1, 1)
MOMENTS = {"staging": "_staging/*/scored/**/part-*", "rejects": "results_rejects/_delta_log/*.json"}
MOMENTS |= {"results": "results/_delta_log/*.json"}
SURVIVABLE = ("executor", "worker")
KINDS = ("none", "driver", *MOMENTS)
"""What ends a run."""
_SURVIVED = 6  # faults before that: a run mostly survives them, but Spark gives a task up that failed four times
# JVMs that live for seconds: what the second compiler would gain later costs more than the work itself.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@dataclass
class Campaign:
    """The folder, the shape of the input, and what was counted."""

    work: Path
    rows: int
    days: int
    master: str
    rng: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 60.0

    @property
    def warehouse(self) -> Path:
        """Folder of the tables."""
        return self.work / "warehouse"

    @property
    def last(self) -> date:
        """Last day of the range."""
        return FIRST + timedelta(days=self.days - 1)

    @property
    def faults(self) -> int:
        """Faults so far."""
        return sum(count for name, count in self.counts.items() if name.startswith("killed"))

    def take_up(self, seed: int) -> None:
        """Go on where an earlier call ended, or begin."""
        self.work.mkdir(parents=True, exist_ok=True)
        kept = self.work / "counts.json"
        if kept.exists():
            self.counts.update(json.loads(kept.read_text()))
        else:
            self.prepare()
        self.rng.seed(seed * 1_000_000 + self.faults)  # each piece draws other moments

    def keep(self) -> None:
        """Keep what was counted."""
        (self.work / "counts.json").write_text(json.dumps(self.counts))

    def prepare(self) -> None:
        """Write two versions of the input, which differ in size, the model and the pipeline files."""
        store = ModelStore(str(self.warehouse / "models"))
        store.promote("yelp", store.save(sample("yelp")).manifest.version)
        for version in (0, 1):
            folder = self.work / f"input{version}"
            folder.mkdir()
            count = self.rows + version
            for number in range(self.days):
                texts = [None if at % 20 == 0 else ("good food", "bad")[at % 2] for at in range(count)]
                day = [FIRST + timedelta(days=number)] * count
                pq.write_table(pa.table({"id": range(count), "text": texts, "ds": day}), folder / f"{number}.parquet")
            (self.work / f"{version}.toml").write_text(
                f'warehouse = "{self.warehouse}"\n[[sources]]\nname = "yelp"\npath = "none"\nformat = "jsonl"\n'
                f'[score]\ninput = "{folder}"\nmodel = "yelp"\ndate = "ds"\n[lock]\nlease = 10.0\n'
            )

    def start(self, version: int) -> subprocess.Popen[bytes]:
        """Start a run in a process group of its own."""
        command = [sys.executable, str(ROOT / "jobs/score_table.py"), "--config", str(self.work / f"{version}.toml")]
        command += ["--from", str(FIRST), "--to", str(self.last), "--force"]
        submit = f"--master {self.master} --driver-memory 1g --executor-memory 1g pyspark-shell"
        environ = os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_SUBMIT_ARGS": submit, "SPARK_LOCAL_IP": "127.0.0.1"}
        environ["JDK_JAVA_OPTIONS"] = _JAVA
        with (self.work / "log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
            )

    def round(self) -> None:
        """One run with a fault that ends it, or none, after some that it can survive."""
        kind, begin = self.rng.choice(KINDS), time.monotonic()
        before = {name: set(self.warehouse.glob(pattern)) for name, pattern in MOMENTS.items()}
        process = self.start(self.rng.randrange(2))
        rival = self.start(self.rng.randrange(2)) if self.rng.random() < 0.2 else None
        # Spark itself takes seconds to start, so that nothing is there to be killed at first.
        moments = sorted(begin + self.rng.uniform(0.2, 1.0) * self.seconds for _ in range(_SURVIVED))
        survived = [(moment, self.rng.choice(SURVIVABLE)) for moment in moments]
        last = begin + self.rng.uniform(0.2, 1.0) * self.seconds
        while process.poll() is None:
            now = time.monotonic()
            if survived and now > survived[0][0] and self._fault(survived[0][1], process.pid):
                survived.pop(0)
            if kind in MOMENTS:
                due = set(self.warehouse.glob(MOMENTS[kind])) != before[kind]
            else:
                due = kind == "driver" and now > last
            if due:
                self._fault(kind, process.pid)
                break
            time.sleep(0.01)
        for each in (process, rival):
            if each is not None:
                self.counts[f"exit code {each.wait(600)}"] += 1
        if process.returncode == 0:
            self.seconds = min(self.seconds, time.monotonic() - begin)

    def _fault(self, kind: str, driver: int) -> bool:
        """Kill, and count it; False where there is nothing to be killed yet."""
        done = self.kill(kind, driver)
        self.counts[f"killed: {kind}"] += done
        return done

    def kill(self, kind: str, driver: int) -> bool:
        """Kill -9 what the kind names; False where there is none yet."""
        if kind not in SURVIVABLE:
            os.killpg(driver, signal.SIGKILL)
            return True
        wanted = "CoarseGrainedExecutorBackend" if kind == "executor" else "pyspark.daemon"
        found = [pid for pid, line in descendants(driver) if wanted in line]
        if not found:
            return False
        os.kill(self.rng.choice(found), signal.SIGKILL)
        return True

    def watch(self, ended: threading.Event) -> None:
        """Look at the published tables until the campaign ends."""
        while not ended.is_set():
            for name, share in (("results", 19), ("results_rejects", 1)):
                try:
                    rows = DeltaTable(str(self.warehouse / name)).to_pyarrow_table(columns=["ds", "run_id", "id"])
                except TableNotFoundError:
                    continue
                for slice_ in (
                    rows.group_by("ds")
                    .aggregate([("run_id", "count_distinct"), ("id", "count_distinct"), ("id", "count")])
                    .to_pylist()
                ):
                    self.counts["looks at a slice"] += 1
                    sizes = [self.size(share, version) for version in (0, 1)]
                    whole = slice_["run_id_count_distinct"] == 1 and slice_["id_count"] in sizes
                    if not whole or slice_["id_count_distinct"] != slice_["id_count"]:
                        self.counts["slices that were not whole"] += 1
            time.sleep(1)

    def size(self, share: int, version: int) -> int:
        """Rows of a slice: of 20 one is rejected."""
        rejected = -(-(self.rows + version) // 20)
        return rejected if share == 1 else self.rows + version - rejected

    def close(self) -> None:
        """One run without a fault; then count what is missing."""
        final = self.start(1)
        self.counts["failures of the last run"] += final.wait(900) != 0
        rows = DeltaTable(str(self.warehouse / "results")).to_pyarrow_table(columns=["ds", "id"]).to_pylist()
        refused = DeltaTable(str(self.warehouse / "results_rejects")).to_pyarrow_table(columns=["ds", "id"]).to_pylist()
        seen = Counter((row["ds"], row["id"]) for row in rows + refused)
        wanted = {(FIRST + timedelta(days=n), at) for n in range(self.days) for at in range(self.rows + 1)}
        self.counts["rows lost"] += len(wanted - seen.keys())
        self.counts["rows double or unknown"] += seen.total() - len(wanted & seen.keys())
        runs = DeltaTable(str(self.warehouse / "runs")).to_pyarrow_table(columns=["run_id", "status"]).to_pylist()
        self.counts |= Counter({f"records: {name}": n for name, n in Counter(row["status"] for row in runs).items()})
        known = {row["run_id"] for row in runs}
        made = {row["run_id"] for row in DeltaTable(str(self.warehouse / "results")).to_pyarrow_table().to_pylist()}
        self.counts["published runs without a record"] += len(made - known)


def descendants(root: int) -> Iterator[tuple[int, str]]:
    """Processes below one, with their command lines."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(") ")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    waiting = children.get(root, [])
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue


BAD = (
    "slices that were not whole",
    "failures of the last run",
    "rows lost",
    "rows double or unknown",
    "published runs without a record",
)


def run(campaign: Campaign, faults: int, until: float) -> None:
    """Rounds while a reader looks on, until there were so many faults or it is late; then one without a fault."""
    ended = threading.Event()
    reader = threading.Thread(target=campaign.watch, args=[ended], daemon=True)
    reader.start()
    while campaign.faults < faults and time.monotonic() < until:
        campaign.round()
        campaign.keep()
        sys.stderr.write(f"{dict(campaign.counts)}\n")
    campaign.close()
    ended.set()
    reader.join()
    campaign.keep()


def main() -> int:
    """Run the campaign and print what was counted; 1 where something was lost, double or half published."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--faults", type=int, default=200)
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--rows", type=int, default=20_000)
    made.add_argument("--days", type=int, default=3)
    made.add_argument("--seconds", type=float, default=60.0, help="a run's wall time, as far as known before")
    made.add_argument("--master", default="local-cluster[1,2,1024]")
    made.add_argument("--folder", type=Path, help="keep tables and counts here; a later call goes on")
    made.add_argument("--minutes", type=float, default=float("inf"), help="begin no round after so long")
    args = made.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        campaign = Campaign(folder, args.rows, args.days, args.master, random.Random(), seconds=args.seconds)
        campaign.take_up(args.seed)
        run(campaign, args.faults, time.monotonic() + 60 * args.minutes)
    sys.stdout.write(json.dumps(dict(sorted(campaign.counts.items())), indent=2) + "\n")
    return int(any(campaign.counts[name] for name in BAD))


if __name__ == "__main__":
    sys.exit(main())
