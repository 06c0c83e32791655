"""Faults forced at named points of a scoring run, many in one Spark session, with checks after each.

A fault is a kind and a point (``textclf.storage.run_points``), both drawn from the seed and the batch number, in a
small warehouse (``world``). After each fault the tables are checked, and a run without a fault must succeed.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from tests.points import AT, at
from tests.soak.world import DAYS, SIZES, World
from textclf.runs.record import RunRecord
from textclf.spark import cancellation

ROOT = Path(__file__).parents[2]


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
    spark: SparkSession,
    folder: Path,
    seed: int,
    number: int,
    faults: int,
    root: str = "",
    without: AbstractSet[str] = frozenset(),
) -> tuple[Counter[str], list[str]]:
    """Inject some faults, one after another, in a new world; an exception counts as a difference.

    Args:
        root: URL below which the world's warehouse is; empty for the folder.
        without: Kinds of faults that this storage or session cannot have.
    """
    world = World(spark, folder, random.Random(f"{seed}/{number}"), root)
    try:
        _force(world, f"batch {number} of seed {seed}", faults, sorted(FAULTS.keys() - without))
    except Exception as error:  # noqa: BLE001 - any exception is a finding
        world.differences.append(f"batch {number} of seed {seed}: {type(error).__name__}: {str(error)[:2000]}")
    return world.figures, world.differences


def _force(world: World, batch: str, faults: int, kinds: list[str]) -> None:
    """Inject the faults of a batch, each followed by a run without a fault."""
    rng = world.rng
    world.run(None, 0)
    for count in range(faults):
        kind = rng.choice(kinds)
        kind = rng.choice(kinds) if kind in _RARE else kind
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
