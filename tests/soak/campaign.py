"""Inject faults into scoring runs and check the tables after each (``make soak``).

    python -m tests.soak.campaign [--faults 400] [--seed 1] [--folder build/soak] [--minutes M] [--only forced|random]

Three of four faults are forced at named points of a run (``forced_faults``): another run takes over from a stalled one,
a concurrent run scores the same or overlapping days, VACUUM, upkeep, a signal, or kill -9. The others are kills at
random moments on separate executors (``random_kills``).

The figures are saved in the folder after each batch. Ctrl-C stops after the current batch, a second Ctrl-C at once; the
same command then resumes the campaign and ends with the same figures as one that was not interrupted. The figures and
the failed checks are printed; the exit code is 1 if any check failed.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from pyspark.sql import SparkSession

from tests.soak.forced_faults import forced_batch
from tests.soak.random_kills import Campaign, kill_batch
from tests.soak.session import soak_session
from tests.soak.soak_state import FOLDER, SoakState, soak

_FAULTS = 5  # forced faults in a batch


def forced(spark: SparkSession, work: Path, seed: int, number: int) -> tuple[Counter[str], list[str]]:
    """Run a batch of forced faults."""
    try:
        return forced_batch(spark, work, seed, number, _FAULTS)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def random_kills(work: Path, args: argparse.Namespace, number: int) -> tuple[Counter[str], list[str]]:
    """Run a batch of kills at random moments."""
    rng = random.Random(f"{args.seed}/kills/{number}")
    try:
        return kill_batch(Campaign(work, args.rows, args.days, args.master, rng, seconds=args.seconds))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main() -> int:
    """Run both kinds of faults."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--faults", type=int, default=400)
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--only", choices=["forced", "random"], help="one of the two kinds, a share of the faults")
    made.add_argument("--rows", type=int, default=20_000, help="of a day, where moments are random")
    made.add_argument("--days", type=int, default=3)
    made.add_argument("--seconds", type=float, default=60.0, help="a run's wall time, as far as known before")
    made.add_argument("--master", default="local-cluster[1,2,1024]", help="where moments are random")
    made.add_argument("--folder", type=Path, default=FOLDER)
    made.add_argument("--minutes", type=float, default=float("inf"), help="begin no batch after so long")
    args = made.parse_args()
    states = {
        name: SoakState.take_up(args.folder / f"campaign-{name}.json", args.seed) for name in ("forced", "random")
    }
    wanted = {"forced": args.faults - args.faults // 4, "random": args.faults // 4}
    with tempfile.TemporaryDirectory() as scratch:
        stopped = False
        work, limits = Path(scratch, "batch"), {"figure": "faults", "minutes": args.minutes}
        if args.only != "random" and states["forced"].figures["faults"] < wanted["forced"]:
            os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
            with soak_session(Path(scratch)) as spark:
                stopped = soak(
                    states["forced"],
                    lambda number: forced(spark, work, args.seed, number),
                    wanted=wanted["forced"],
                    **limits,
                )
        if args.only != "forced" and not stopped:
            soak(states["random"], lambda number: random_kills(work, args, number), wanted=wanted["random"], **limits)
    return max(state.say() for state in states.values())


if __name__ == "__main__":
    sys.exit(main())
