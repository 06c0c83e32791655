"""A soak ends when further batches cannot succeed, and stopping it does not change its figures."""

import os
import random
import signal
import time
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.soak.forced_faults import asked_to_stop
from tests.soak.soak_state import SoakState, soak
from tests.soak.world import World
from textclf.runs.record import RunRecord
from textclf.spark import cancellation
from textclf.storage.run_points import reached


def test_a_batch_that_fails_before_its_first_fault_is_the_last(tmp_path: Path) -> None:
    state = SoakState(tmp_path / "state.json", 1)

    def batch(number: int) -> tuple[Counter[str], list[str]]:
        return Counter({"faults": 1} if number == 0 else {}), ["Java is gone"]

    assert not soak(state, batch, figure="faults", wanted=10)
    assert (state.batches, state.figures["differences"]) == (2, 2)


def test_a_batch_that_is_cut_off_leaves_no_figures(tmp_path: Path) -> None:
    state = SoakState(tmp_path / "state.json", 1)

    def batch(number: int) -> tuple[Counter[str], list[str]]:
        if number == 1:
            raise KeyboardInterrupt
        return Counter({"faults": 1}), []

    assert soak(state, batch, figure="faults", wanted=10)
    again = SoakState.take_up(tmp_path / "state.json", 1)
    assert (again.batches, again.figures) == (1, Counter({"faults": 1, "differences": 0}))


class Interrupted(World):
    """A world whose user presses Ctrl-C before the fault is injected."""

    at_point = False

    def run(self, day: date | None, version: int | None = None) -> tuple[RunRecord, int]:  # noqa: ARG002
        os.kill(os.getpid(), signal.SIGINT)
        while not cancellation.asked():
            time.sleep(0.001)
        if self.at_point:
            reached("staged")
        return RunRecord("score_table"), 1


@pytest.mark.parametrize("at_point", [False, True])
def test_ctrl_c_of_the_user_is_no_fault(spark: SparkSession, tmp_path: Path, *, at_point: bool) -> None:
    world, before = Interrupted(spark, tmp_path / "world", random.Random(1)), signal.getsignal(signal.SIGINT)
    world.at_point = at_point
    with pytest.raises(KeyboardInterrupt):
        asked_to_stop(world, "staged")
    assert (world.differences, world.figures) == ([], Counter())
    assert signal.getsignal(signal.SIGINT) is before
