"""Two drivers on S3 or HDFS, with the faults that such storage has, and kills at random moments (``make soak``).

    python -m tests.soak.storage_campaign s3|hdfs [--faults N] [--seed 1] [--folder build/soak] [--minutes M]

In a batch two drivers score random days of one warehouse, the same and different ones, while one after the other is
killed and started again. On S3 a proxy answers some requests with 503, late, or not at all after they had an effect.
A reader checks at all times that each slice is whole. After that a run without a fault must succeed, each run must be
recorded as it ended, and the log must have a commit of each run that succeeded.

Other batches force faults at named points of a run, as the campaign on a local disk does (``forced_faults``): seven of
eight on HDFS, and two of three on S3, where the proxy's faults go on meanwhile and runs must succeed in spite of them.
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
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.cluster_jars import S3, cluster_jars
from tests.factories.hdfs import hdfs_cluster
from tests.factories.s3 import BUCKET, s3_server, s3a_settings
from tests.factories.s3_proxy import Fault, S3Proxy, s3_proxy
from tests.processes import free_port
from tests.soak.forced_faults import forced_batch
from tests.soak.soak_state import FOLDER, SoakState, soak
from tests.soak.world import DAYS, SIZES, pipeline_text, score_once, write_inputs
from textclf.config import load_pipeline
from textclf.scoring.score import ScoreOptions
from textclf.spark import open_session
from textclf.storage.warehouse import Location

_SECONDS = 360.0  # of a batch, in which the drivers run
_LIVES = (10.0, 180.0)  # seconds from a driver's first run to its kill
_RATES = {"busy": 0.03, "slow": 0.01, "lost": 0.06}  # of the requests that get a fault
_WANTED = {"s3": 300, "hdfs": 200}
_STORMS = {"s3": 3, "hdfs": 8}  # of so many batches, one has two drivers
_FORCED = 10  # faults in a batch of such faults
_NOT_ON_S3 = {"VACUUM", "kill -9"}  # S3 sets no file's time; a job of its own would need the session's settings
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@dataclass
class Stores:
    """The storage of the tables.

    Attributes:
        root: URL for warehouses.
        settings: Spark's settings.
        proxy: The proxy; None on HDFS.
    """

    root: str
    settings: dict[str, str]
    proxy: S3Proxy | None = None


@contextmanager
def storage(kind: str, work: Path) -> Iterator[Stores]:
    """Start the storage."""
    basic = {
        "spark.master": "local[1]",
        "spark.ui.enabled": "false",
        "spark.driver.memory": "1g",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.codegen.wholeStage": "false",  # generating code costs more than queries of a few rows
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    if kind == "hdfs":
        with hdfs_cluster(work) as url:
            yield Stores(url, basic)
        return
    basic["spark.jars"] = ",".join(map(str, cluster_jars(S3)))
    with s3_server(free_port()) as endpoint, s3_proxy(endpoint) as proxy:
        yield Stores(f"s3a://{BUCKET}", basic | s3a_settings(proxy.endpoint), proxy)


@contextmanager
def storm(stores: Stores, rng: random.Random, figures: Counter[str]) -> Iterator[None]:
    """Let the proxy give some requests a fault meanwhile, and count them."""
    if stores.proxy is None:
        yield
        return
    calm, stores.proxy.fault = stores.proxy.fault, drawn_faults(rng)
    stores.proxy.counts.clear()
    try:
        yield
    finally:
        stores.proxy.fault = calm
        given = {name: stores.proxy.counts[f"fault: {name}"] for name in _RATES}
        figures += Counter({f"answers: {name}": number for name, number in given.items()})
        figures["faults"] += sum(given.values())


def drawn_faults(rng: random.Random) -> Fault:
    """Give some requests a fault; an answer is lost only to requests that write."""
    drawn = random.Random(rng.random())

    def fault(method: str, path: str) -> str | None:
        number = drawn.random()
        for name, rate in _RATES.items():
            if number < rate:
                return name if name != "lost" or method == "PUT" else None
            number -= rate
        return None

    return fault


@dataclass
class Drivers:
    """Two drivers in separate processes, the moments at which they are due to be killed, and what their runs said."""

    folder: Path
    rng: random.Random
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)
    due: dict[int, float] = field(default_factory=dict)
    said: list[dict[str, Any]] = field(default_factory=list)
    started: int = 0

    def start(self) -> None:
        """Start one more driver."""
        self.started += 1
        command = [sys.executable, "-m", "tests.soak.storage_driver_process", str(self.folder), str(self.rng.random())]
        environ = os.environ | {"JDK_JAVA_OPTIONS": _JAVA, "SPARK_LOCAL_IP": "127.0.0.1"}
        with (self.folder / "drivers.log").open("a") as log:
            process = subprocess.Popen(
                command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
        self.processes.append(process)
        threading.Thread(target=self._listen, args=[process], daemon=True).start()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            if line.startswith("ready"):
                self.due[process.pid] = time.monotonic() + self.rng.uniform(*_LIVES)
            elif line.startswith("{"):
                self.said.append(json.loads(line))

    def replace(self) -> int:
        """Kill the drivers that are due, and start others; return their number."""
        now = time.monotonic()
        due = [process for process in self.processes if self.due.get(process.pid, now) < now]
        for process in due:
            self.kill(process)
            self.start()
        return len(due)

    def kill(self, process: "subprocess.Popen[str]") -> None:
        """Kill a driver with its JVM and its workers."""
        self.processes.remove(process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Reader:
    """A reader that looks at the published slices, in this process' session."""

    def __init__(self, spark: SparkSession, warehouse: str, figures: Counter[str]) -> None:
        self._spark, self._warehouse, self._figures = spark, warehouse, figures
        self.wrong: list[str] = []

    def look(self) -> dict[date, set[str]]:
        """Check both tables once; return the runs of each day of the results."""
        found: dict[date, set[str]] = {}
        for name, at in (("results", 0), ("results_rejects", 1)):
            if not Location(f"{self._warehouse}/{name}").exists(self._spark):
                continue
            rows = self._spark.read.format("delta").load(f"{self._warehouse}/{name}").groupBy("ds")
            sizes = {(rows - refused, refused)[at] for rows, refused in SIZES}
            counted = rows.agg(F.collect_set("run_id").alias("runs"), F.count("id"), F.count_distinct("id"))
            for ds, runs, count, distinct in counted.collect():
                self._figures["looks at a slice"] += 1
                if len(runs) != 1 or count != distinct or count not in sizes:
                    self.wrong.append(f"{name} {ds} has {count} rows of {runs}, {distinct} of them distinct")
                found |= {ds: set(runs)} if at == 0 else {}
        return found


def prepare(folder: Path, stores: Stores, number: int) -> str:
    """Write inputs, model, settings and pipeline file; return the URL of the warehouse."""
    warehouse = f"{stores.root}/campaign/{number}"
    write_inputs(folder)
    (folder / "settings.json").write_text(json.dumps(stores.settings))
    text = pipeline_text(warehouse, folder, "[lock]\nlease = 10.0\n")
    (folder / "pipeline.toml").write_text(text)
    return warehouse


def batch(spark: SparkSession, stores: Stores, folder: Path, rng: random.Random, number: int) -> tuple[Any, Any]:
    """Let two drivers run while faults happen; return figures and differences."""
    figures: Counter[str] = Counter()
    warehouse = prepare(folder, stores, number)
    reader, drivers = Reader(spark, warehouse, figures), Drivers(folder, rng)
    try:
        with storm(stores, rng, figures):
            drivers.start()
            drivers.start()
            end = time.monotonic() + _SECONDS
            while time.monotonic() < end:
                figures["killed drivers"] += drivers.replace()
                reader.look()
                time.sleep(1)
    finally:
        for process in list(drivers.processes):
            drivers.kill(process)
    time.sleep(11)  # the leases of both end
    figures["killed drivers"] += 2
    figures["faults"] += figures["killed drivers"]
    differences = [*reader.wrong, *settled(spark, reader, drivers, folder, warehouse, figures)]
    return figures, [f"batch {number}: {said}" for said in dict.fromkeys(differences)]


def forced(spark: SparkSession, stores: Stores, folder: Path, seed: int, number: int) -> tuple[Any, Any]:
    """Force faults at named points, on S3 in a storm; return figures and differences."""
    figures: Counter[str] = Counter()
    root = f"{stores.root}/forced/{number}"
    with storm(stores, random.Random(f"{seed}/storm/{number}"), figures):
        found, differences = forced_batch(
            spark, folder, seed, number, _FORCED, root, frozenset() if stores.proxy is None else _NOT_ON_S3
        )
    history = spark.sql(f"DESCRIBE HISTORY delta.`{root}/warehouse/results`")
    figures["commits of results"] += history.where("operation = 'WRITE'").count()
    return figures + found, differences


def settled(
    spark: SparkSession, reader: Reader, drivers: Drivers, folder: Path, warehouse: str, figures: Counter[str]
) -> Iterator[str]:
    """Yield what does not hold after a run without a fault."""
    run, code = score_once(spark, load_pipeline(folder / "pipeline.toml"), ScoreOptions(input=str(folder / "input0")))
    if code != 0:
        yield f"the last run ended with {code}: {run.error}"
    if reader.look() != {day: {run.run_id} for day in DAYS}:
        yield "rows of others than the last run"
    rows = spark.read.format("delta").load(f"{warehouse}/runs").select("run_id", "status").collect()
    recorded: dict[str, list[str]] = {}
    for run_id, status in rows:
        recorded.setdefault(run_id, []).append(status)
    yield from (f"{run_id} is recorded as {said}" for run_id, said in recorded.items() if len(said) > 1)
    for each in drivers.said:
        figures[f"runs: {each['status']}"] += 1
        kept = recorded.get(each["run_id"])
        if kept != [each["status"]] and not (kept == ["killed"] and each["code"] == 5):
            yield f"{each['run_id']} ended as {each['status']} with {each['code']} and is recorded as {kept}"
    history = spark.sql(f"DESCRIBE HISTORY delta.`{warehouse}/results`").where("operation = 'WRITE'").count()
    done = sum(said == ["succeeded"] for said in recorded.values())
    figures["commits of results"] += history
    if history < done:
        yield f"{done} runs have succeeded, but there are {history} commits"


def main() -> int:
    """Run batches until there were enough faults."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("kind", choices=["s3", "hdfs"])
    made.add_argument("--faults", type=int, help=f"by default {_WANTED}")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--folder", type=Path, default=FOLDER)
    made.add_argument("--minutes", type=float, default=float("inf"), help="begin no batch after so long")
    args = made.parse_args()
    state = SoakState.take_up(args.folder / f"storage-{args.kind}.json", args.seed)
    os.environ.setdefault("JDK_JAVA_OPTIONS", _JAVA)
    with tempfile.TemporaryDirectory() as scratch, storage(args.kind, Path(scratch)) as stores:
        spark = open_session("textclf campaign", stores.settings)

        def one(number: int) -> tuple[Counter[str], list[str]]:
            folder = Path(scratch, f"batch{number}")
            if number % _STORMS[args.kind] != 1:
                return forced(spark, stores, folder, args.seed, number)
            rng = random.Random(f"{args.seed}/{args.kind}/{number}")
            return batch(spark, stores, folder, rng, number)

        soak(state, one, figure="faults", wanted=args.faults or _WANTED[args.kind], minutes=args.minutes)
        spark.stop()
    return state.say()


if __name__ == "__main__":
    sys.exit(main())
