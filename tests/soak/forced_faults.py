"""Faults forced at named points of a scoring run, many in one Spark session, with checks after each.

A world is a small warehouse of three days. A fault is a kind and a point (``textclf.storage.run_points``), both drawn
from the seed and the batch number. After each fault the tables are checked, and a run without a fault must succeed.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from delta import DeltaTable as SparkTable
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from tests.factories.artifacts import sample
from tests.points import AT, TABLES, at, files_of_no_version, let_expire
from textclf.artifact import ModelStore
from textclf.config import Pipeline, Upkeep, parse_pipeline
from textclf.runs.outcome import code_when_kept, end_with
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.score import ScoreOptions, score_table
from textclf.spark import cancellation
from textclf.storage import Warehouse
from textclf.storage.delta_log import hadoop_path
from textclf.storage.leases.locks import UNDATED
from textclf.workflow.maintenance import runs_held_off, tend

ROOT = Path(__file__).parents[2]
DAYS = tuple(date(2026, 1, 1) + timedelta(days=at) for at in range(3))
SIZES = ((40, 2), (43, 0), (37, 5))
"""Rows and rejects of a day in each version of the input: all differ, and one has no rejects."""
_VACUUM = {
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",  # the default would start 10,000 tasks
}


def write_inputs(folder: Path) -> None:
    """Write a model and each version of the input, of one file for each day, into a new folder."""
    folder.mkdir(parents=True)
    store = ModelStore(str(folder / "models"))
    store.promote("yelp", store.save(sample("yelp")).manifest.version)
    for version, (rows, rejects) in enumerate(SIZES):
        (folder / f"input{version}").mkdir()
        for day in DAYS:
            texts = [None if number < rejects else ("good food", "bad")[number % 2] for number in range(rows)]
            columns = {"id": range(rows), "text": texts, "ds": [day] * rows}
            pq.write_table(pa.table(columns), folder / f"input{version}" / f"{day}.parquet")


def pipeline_text(warehouse: str, folder: Path, more: str = "") -> str:
    """Return a pipeline file that scores inputs of ``write_inputs``."""
    return (
        f'warehouse = "{warehouse}"\nmodels = "{folder}/models"\n[[sources]]\nname = "yelp"\npath = "none"\n'
        f'format = "jsonl"\n[score]\nmodel = "yelp"\ndate = "ds"\n[gate]\nmax_rejects = 1.0\n{more}'
    )


@dataclass
class World:
    """A warehouse, its inputs, and all runs so far.

    Attributes:
        folder: Folder of the inputs and the models.
        root: URL below which the warehouse is, in another storage; empty if it is in the folder.
        runs: Status and exit code of each run, by run id.
        seen: Ids of all runs whose rows were ever published, including killed runs.
    """

    spark: SparkSession
    folder: Path
    rng: random.Random
    root: str = ""
    figures: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    runs: dict[str, tuple[str, int]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        write_inputs(self.folder)
        text = pipeline_text(self.place, self.folder)
        (self.folder / "pipeline.toml").write_text(text)
        self.pipeline = parse_pipeline(text)

    @property
    def place(self) -> str:
        """Path or URL of the warehouse."""
        return f"{self.root or self.folder}/warehouse"

    def rows(self, name: str, *columns: str) -> list[dict[str, Any]]:
        """Return columns of a table, on a local disk as a reader without Spark sees it."""
        if self.root:
            return [row.asDict() for row in self.warehouse.location(name).read(self.spark).select(*columns).collect()]
        found: list[dict[str, Any]] = (
            DeltaTable(f"{self.place}/{name}").to_pyarrow_table(columns=list(columns)).to_pylist()
        )
        return found

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse with the tables."""
        return Warehouse.of(self.pipeline)

    def input(self, version: int | None = None) -> str:
        """Return the path of a version of the input; by default a random one."""
        return str(self.folder / f"input{self.rng.randrange(len(SIZES)) if version is None else version}")

    def run(self, day: date | None, version: int | None = None) -> tuple[RunRecord, int]:
        """Score one day or all days, as the job does."""
        options = ScoreOptions(input=self.input(version), day=day)
        run, code = score_once(self.spark, self.pipeline, options)
        self.runs[run.run_id] = (run.status, code)
        return run, code

    def let_expire(self, day: date | None) -> None:
        """Let the locks of a stalled run expire: the lease of the first lock covers the others."""
        output = str(self.warehouse.location("results"))
        let_expire(self.spark, self.warehouse.locks(self.spark), output, day or UNDATED)

    def vacuum(self, hours: float) -> None:
        """Run VACUUM on all tables, as any user may."""
        for setting, value in _VACUUM.items():
            self.spark.conf.set(setting, value)
        for name in TABLES:
            SparkTable.forPath(self.spark, str(self.warehouse.location(name))).vacuum(hours)
        for setting in _VACUUM:
            self.spark.conf.unset(setting)

    def maintain(self) -> None:
        """Run upkeep with a retention of zero, as the job does."""
        places = [self.warehouse.location(name) for name in TABLES]
        nothing = Upkeep(retention_days=0.0, short_retention=True)
        with runs_held_off(self.spark, self.warehouse, places[1:], RunRecord("maintain_tables"), 60) as at_work:
            for place in places:
                tend(self.spark, place, nothing, at_work)

    def age_staging(self) -> None:
        """Make the staged files as old as those of a run that was stopped a month ago."""
        old = time.time() - 30 * 86400
        for path in files_of_no_version(self.place):
            if self.root:
                scheme, _, rest = self.root.partition("://")
                system, place = hadoop_path(self.spark, f"{scheme}://{rest.partition('/')[0]}{path}")
                system.setTimes(place, int(old * 1000), -1)
            else:
                os.utime(path, (old, old))


def score_once(spark: SparkSession, pipeline: Pipeline, options: ScoreOptions) -> tuple[RunRecord, int]:
    """Score and record as the job does; return the record and the exit code."""
    run, code = RunRecord("score_table"), 0
    with ExitStack() as held:
        try:
            score_table(Workspace(spark, pipeline), run, options, held)
            run.end("succeeded")
        except Exception as error:  # noqa: BLE001 - as the job does
            code = end_with(run, error).code
        code = code_when_kept(spark, Warehouse.of(pipeline), run, code)
    return run, code


def paused(world: World, point: str) -> bool:
    """C2: a run stalls for longer than its lease, another run takes over one of its days, and the first resumes."""
    pairs = {
        "all": (None, None),
        "same day": (DAYS[1], DAYS[1]),
        "one of its": (None, DAYS[1]),
        "more": (DAYS[1], None),
    }
    kind = world.rng.choice(sorted(pairs))
    older, newer = pairs[kind]
    after: list[tuple[RunRecord, int]] = []

    def overtake() -> None:
        world.let_expire(older)
        after.append(world.run(newer))

    with at(point, overtake) as done:
        run, code = world.run(older)
    if not done:
        return False
    world.figures[f"overtaken: {kind}"] += 1
    _expect(world, after[0][1] == 0, f"{after[0][0].run_id} did not overtake at {point}: {after[0][0].error}")
    if point not in ("locked", "staged", "recorded"):  # earlier it holds no day yet; later it is done
        _expect(world, code == 5, f"{run.run_id} woke at {point} with {code}")
    if code == 5:
        taken = DAYS if newer is None else (newer,)
        owners = {ds: found for ds, (found, _, _) in slices(world, "results").items() if ds in taken}
        _expect(world, all(found == {after[0][0].run_id} for found in owners.values()), f"{point}: {owners} is older")
    return True


def rival(world: World, point: str) -> bool:
    """Two concurrent runs of the same day or of overlapping days."""
    pairs = {"same day": (DAYS[1], DAYS[1]), "overlapping": (None, DAYS[2]), "overlapping, more": (DAYS[0], None)}
    kind = world.rng.choice(sorted(pairs))
    first, second = pairs[kind]
    other: list[int] = []
    with at(point, lambda: other.append(world.run(second)[1])) as done:
        _, code = world.run(first)
    if done:
        world.figures[f"rivals: {kind}"] += 1
        _expect(world, code in (0, 5) and set(other) <= {0, 5}, f"rivals ended with {code} and {other}")
        _expect(world, 0 in (code, *other), "of two rivals none published")
    return bool(done)


def vacuumed(world: World, point: str) -> bool:
    """C1: VACUUM with Delta's default retention while files staged a month ago are published."""
    with at("staged", world.age_staging), at(point, lambda: world.vacuum(168)) as done:
        run, code = world.run(world.rng.choice([None, DAYS[0]]))
    young = AT.index(point) >= AT.index("moved results")  # before that, VACUUM may take old files of the results
    _expect(
        world, code == 0 or (code == 1 and not young), f"{run.run_id} ended with {code} beside a VACUUM: {run.error}"
    )
    return bool(done)


def emptied(world: World, point: str) -> bool:
    """C1: VACUUM with a retention of zero."""
    with at(point, lambda: world.vacuum(0)) as done:
        run, code = world.run(world.rng.choice([None, DAYS[0]]))
    _expect(world, code in (0, 1), f"{run.run_id} ended with {code} beside a VACUUM that keeps nothing")
    return bool(done)


def maintained(world: World, point: str) -> bool:
    """C1: upkeep by our own job with a retention of zero."""
    with at(point, world.maintain) as done:
        run, code = world.run(world.rng.choice([None, DAYS[0]]))
    _expect(world, code == 0, f"{run.run_id} ended with {code} beside upkeep: {run.error}")
    return bool(done)


def asked_to_stop(world: World, point: str) -> bool:
    """C4, C6: the run receives SIGTERM or SIGINT."""
    number = world.rng.choice([signal.SIGTERM, signal.SIGINT])
    publishing = AT.index("checked") < AT.index(point) < AT.index("committed results")
    cancels = (publishing or point == "recording") and world.rng.random() < 0.5

    def ask() -> None:
        if cancellation.asked():  # by another caller
            raise KeyboardInterrupt
        os.kill(os.getpid(), number)
        while not cancellation.asked():
            time.sleep(0.001)
        if cancels:  # as Spark does for a job of Delta that the run waits for
            raise RuntimeError("Job 7 cancelled as part of cancellation of all jobs")

    before = signal.getsignal(number)
    signal.signal(number, signal.default_int_handler)  # otherwise the soak's handler would stop the soak
    try:
        with cancellation.stoppable(), at(point, ask) as done:
            run, code = world.run(world.rng.choice([None, DAYS[2]]))
            if cancellation.asked() and not done:  # the user stops the soak: not a fault
                raise KeyboardInterrupt
    finally:
        signal.signal(number, before)
    if done:
        world.figures[f"signals: {number.name}"] += 1
        published = point not in AT[:2] and not (publishing and cancels)
        expected = ("succeeded", 0) if published else ("stopped", 1)
        _expect(world, (run.status, code) == expected, f"{run.run_id} was {run.status} ({code}) when asked at {point}")
    return bool(done)


def killed(world: World, point: str) -> bool:
    """The driver and all its child processes are killed with SIGKILL."""
    day = world.rng.choice([None, DAYS[1]])
    command = [sys.executable, "-m", "tests.soak.killed_at", point, "--config", str(world.folder / "pipeline.toml")]
    command += ["--input", world.input(), *([] if day is None else ["--date", str(day)])]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"}
    environ["PYSPARK_SUBMIT_ARGS"] = "--master local[2] --driver-memory 1g pyspark-shell"
    environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    process = subprocess.run(
        command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, timeout=900, check=False,
    )  # fmt: skip
    _expect(world, process.returncode in (0, -signal.SIGKILL), f"a driver ended with {process.returncode} at {point}")
    return process.returncode == -signal.SIGKILL


FAULTS: dict[str, tuple[Callable[[World, str], bool], tuple[str, ...]]] = {
    "overtaken while it stood still": (paused, AT),
    "a rival": (rival, AT),
    "VACUUM": (vacuumed, AT[2:9]),
    "VACUUM that keeps nothing": (emptied, AT[2:9]),
    "upkeep that keeps nothing": (maintained, AT),
    "a signal": (asked_to_stop, AT),
    "kill -9": (killed, AT),
}
"""Each kind of fault, with the points at which it is forced."""
_RARE = {"kill -9"}  # starts a JVM, which is slow: such a draw is redrawn once


def _expect(world: World, holds: bool, said: str) -> None:
    if not holds:
        world.differences.append(said)


def recorded(world: World) -> dict[str, list[str]]:
    """Return the statuses recorded for each run in ``runs``."""
    found: dict[str, list[str]] = {}
    for row in world.rows("runs", "run_id", "status"):
        found.setdefault(row["run_id"], []).append(row["status"])
    return found


def world_owners(world: World) -> set[str]:
    """Return the ids of the runs that wrote the published rows."""
    return {row["run_id"] for row in world.rows("results", "run_id")}


def slices(world: World, name: str) -> dict[date, tuple[set[str], int, int]]:
    """Return for each day of a table: the ids of its runs, the number of rows, and the number of distinct ids."""
    rows = world.rows(name, "ds", "run_id", "id")
    found: dict[date, tuple[set[str], int, int]] = {}
    for ds in {row["ds"] for row in rows}:
        of_day = [row for row in rows if row["ds"] == ds]
        found[ds] = ({row["run_id"] for row in of_day}, len(of_day), len({row["id"] for row in of_day}))
    return found


def look(world: World, after: str, *, settled: bool) -> None:
    """Check the invariants that hold after every fault.

    Args:
        settled: Whether the last run has published; if not, the rejects may be ahead of the results.
    """
    results, rejects = slices(world, "results"), slices(world, "results_rejects")
    world.figures["looks at a slice"] += len(results) + len(rejects)
    statuses = recorded(world)
    for name, table, at_ in (("results", results, 0), ("results_rejects", rejects, 1)):
        sizes = {(rows - refused, refused)[at_] for rows, refused in SIZES}
        for ds, (owners, rows, ids) in table.items():
            _expect(world, len(owners) == 1 and rows == ids and rows in sizes, f"{after}: {name} {ds} is not whole")
    for ds, (owners, rows, _) in results.items():
        (owner,) = owners if len(owners) == 1 else ("",)
        said = statuses.get(owner, [])
        _expect(world, not settled or said in (["succeeded"], ["killed"]), f"{after}: {ds} is of {owner}, {said}")
        refused = {rows_ - rejects_: rejects_ for rows_, rejects_ in SIZES}.get(rows, -1)
        there = rejects.get(ds, (owners, 0, 0))
        _expect(world, not settled or there == (owners, refused, refused), f"{after}: rejects of {ds} are not its own")
    world.seen |= {owner for owners, _, _ in (*results.values(), *rejects.values()) for owner in owners}
    unknown = world.seen - statuses.keys() if settled else ()
    _expect(world, not unknown, f"{after}: published and not recorded: {unknown}")
    twice = {run_id: said for run_id, said in statuses.items() if len(said) > 1}
    _expect(world, not twice, f"{after}: recorded twice: {twice}")
    for run_id, (status, code) in world.runs.items():
        _expect(world, (code == 0) == (status == "succeeded"), f"{after}: {run_id} is {status} and {code}")
        kept = statuses.get(run_id)
        _expect(world, kept == [status] or (kept == ["killed"] and code == 5), f"{after}: {run_id} {kept} {status}")


def forced_batch(
    spark: SparkSession, folder: Path, seed: int, number: int, faults: int, root: str = ""
) -> tuple[Counter[str], list[str]]:
    """Inject some faults, one after another, in a new world; an exception counts as a difference."""
    world = World(spark, folder, random.Random(f"{seed}/{number}"), root)
    try:
        _force(world, f"batch {number} of seed {seed}", faults)
    except Exception as error:  # noqa: BLE001 - any exception is a finding
        world.differences.append(f"batch {number} of seed {seed}: {type(error).__name__}: {str(error)[:2000]}")
    return world.figures, world.differences


def _force(world: World, batch: str, faults: int) -> None:
    """Inject the faults of a batch, each followed by a run without a fault."""
    rng = world.rng
    world.run(None, 0)
    for count in range(faults):
        kind = rng.choice(sorted(FAULTS))
        kind = rng.choice(sorted(FAULTS)) if kind in _RARE else kind
        fault, points = FAULTS[kind]
        point = rng.choice(points)
        name = f"fault {count} of {batch}, {kind} at {point}"
        if not fault(world, point):
            world.figures["points that were not reached"] += 1  # the rejects are not written if there are none
            continue
        world.figures += Counter({"faults": 1, f"faults: {kind}": 1, f"at: {point}": 1})
        look(world, name, settled=False)
        run, code = world.run(None)
        _expect(world, code == 0, f"{name}: the run after it ended with {code}, {run.error}")
        look(world, f"{name}, and a run after it", settled=True)
        _expect(world, world_owners(world) == {run.run_id}, f"{name}: rows of others than the last run")
    world.figures += Counter(f"records: {status}" for said in recorded(world).values() for status in said)
