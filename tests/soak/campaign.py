"""Faults against scoring, one after another, and what must hold after each: ``make soak``.

    python -m tests.soak.campaign [--faults 400] [--seed 1] [--folder build/soak] [--minutes M] [--only forced|random]

Three of four faults are forced at named points of a run (``forced_faults``): another run takes over from one that
stands still, a rival of the same or of overlapping days, VACUUM, upkeep, a signal, kill -9. The others are kills at
random moments on executors of their own (``random_kills``).

Figures are kept in the folder after each batch: a call that was stopped (Ctrl-C ends after the batch, a second one at
once) is taken up by the same call, and they are those of a campaign that nothing stopped. Printed are the figures and
what did not hold; exit code 1 where there is any of that.
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

_FAULTS = 5  # forced ones of a batch


def forced(spark: SparkSession, work: Path, seed: int, number: int) -> tuple[Counter[str], list[str]]:
    """A batch of forced faults."""
    try:
        return forced_batch(spark, work, seed, number, _FAULTS)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def random_kills(work: Path, args: argparse.Namespace, number: int) -> tuple[Counter[str], list[str]]:
    """A batch of kills at random moments."""
    rng = random.Random(f"{args.seed}/kills/{number}")
    try:
        return kill_batch(Campaign(work, args.rows, args.days, args.master, rng, seconds=args.seconds))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main() -> int:
    """Run both."""
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
