"""Kill executors, Python workers and drivers at random moments while a reader checks the tables.

Each round starts ``score_table --from --to`` on one of two versions of the input, on separate executors. It kills
executors or Python workers with SIGKILL at up to six random moments. Then it may kill the driver and its children, at a
random moment or when a file of the staging folder, the rejects or the results appears. In some rounds a second run
competes with the first. The reader loads both tables with deltalake all the time. At the end of a batch the range is
scored once without a fault.

The checks look for incomplete slices (rows of two runs, or a row count that neither version of the input has), for rows
lost or duplicated at the end, and for published runs without a record.
"""

import os
import random
import signal
import subprocess
import sys
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

from tests.factories.artifacts import sample
from textclf.artifact import ModelStore

ROOT = Path(__file__).parents[2]
FIRST = date(2026, 1, 1)
MOMENTS = {"staging": "results/**/part-*.parquet", "rejects": "results_rejects/_delta_log/*.json"}
MOMENTS |= {"results": "results/_delta_log/*.json"}
SURVIVABLE = ("executor", "worker")
_WORKERS = ("-m textclf.spark.worker_daemon", "-m pyspark.daemon")  # the driver's JVM names the module, too
KINDS = ("none", "driver", *MOMENTS)
"""The faults that end a run."""
_SURVIVED = 6  # earlier faults: a run usually survives them, but Spark gives up a task after four failures
# The C2 compiler costs more time than it saves in a JVM that lives for seconds.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@dataclass
class Campaign:
    """The folder of a batch, the size of its input, and the counts so far."""

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

    def prepare(self) -> None:
        """Write two versions of the input that differ in size, the model, and the pipeline files."""
        self.work.mkdir(parents=True)
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
        """Start a run in its own process group."""
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
        """Do one run with some faults that it can survive, and possibly one that ends it."""
        kind, begin = self.rng.choice(KINDS), time.monotonic()
        before = {name: set(self.warehouse.glob(pattern)) for name, pattern in MOMENTS.items()}
        process = self.start(self.rng.randrange(2))
        rival = self.start(self.rng.randrange(2)) if self.rng.random() < 0.2 else None
        # Spark takes seconds to start, so at first there is nothing to kill.
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
        """Kill a process and count it; return False if there is none to kill yet."""
        done = self.kill(kind, driver)
        self.counts[f"killed: {kind}"] += done
        return done

    def kill(self, kind: str, driver: int) -> bool:
        """Kill a process of this kind with SIGKILL; return False if there is none yet."""
        if kind not in SURVIVABLE:
            os.killpg(driver, signal.SIGKILL)
            return True
        wanted = ("CoarseGrainedExecutorBackend",) if kind == "executor" else _WORKERS
        found = [pid for pid, line in descendants(driver) if any(each in line for each in wanted)]
        if not found:
            return False
        os.kill(self.rng.choice(found), signal.SIGKILL)
        return True

    def watch(self, ended: threading.Event) -> None:
        """Check the published tables until the campaign ends."""
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
        """Return the number of rows in a slice: one row of 20 is rejected."""
        rejected = -(-(self.rows + version) // 20)
        return rejected if share == 1 else self.rows + version - rejected

    def close(self) -> None:
        """Do one run without a fault, then count the missing rows."""
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
    """Yield the descendants of a process, with their command lines."""
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


ROUNDS = 4
"""Rounds in a batch."""


def kill_batch(campaign: Campaign) -> tuple[Counter[str], list[str]]:
    """Do some rounds while a reader checks the tables, then a run without a fault."""
    campaign.prepare()
    ended = threading.Event()
    reader = threading.Thread(target=campaign.watch, args=[ended], daemon=True)
    reader.start()
    try:
        for _ in range(ROUNDS):
            campaign.round()
        campaign.close()
    finally:
        ended.set()
        reader.join()
    figures = +campaign.counts
    figures["faults"] = sum(count for name, count in figures.items() if name.startswith("killed"))
    return figures, [f"{figures[name]} {name}" for name in BAD if figures[name]]
