"""Tasks that kill their worker process, on a master that does not retry."""

import gc
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.errors import PythonException
from pyspark.sql import SparkSession

from textclf.search.warm_up import worker_environment
from textclf.spark.task_pool import FanOut


@dataclass(frozen=True)
class Dying:
    """A task that kills its process ``deaths`` times, counted in a file."""

    key: str
    deaths: int
    folder: str

    def run(self, shared: None) -> "Done":  # noqa: ARG002 - the protocol's signature
        notes = Path(self.folder, self.key)
        died = len(notes.read_text()) if notes.exists() else 0
        if died < self.deaths:
            notes.write_text("x" * (died + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return Done(self.key, os.environ.get("KERAS_BACKEND", ""))

    def lost(self, error: str) -> "Done":
        return Done(self.key, error)


@dataclass(frozen=True)
class Done:
    key: str
    said: str


def results_of(fan: FanOut, count: int) -> list[Done]:
    """Poll the pool until ``count`` results have arrived, and return them."""
    found: list[Done] = []
    while len(found) < count:
        found += fan.results()
        time.sleep(0.05)
    return found


def test_lost_tasks_are_tried_again_and_at_last_given_up(spark: SparkSession, tmp_path: Path) -> None:
    tasks = [Dying(f"t{number}", deaths, str(tmp_path)) for number, deaths in enumerate([0, 1, 9, 0, 0])]
    fan = FanOut(spark.sparkContext, "trials")
    with worker_environment(spark.sparkContext, "jax"):
        fan.submit(tasks)
        found = results_of(fan, len(tasks))

    said = {done.key: done.said for done in found}
    assert len(found) == len(said) == 5
    assert "process ended 3 times" in said.pop("t2")
    assert set(said.values()) == {"jax"}
    assert "KERAS_BACKEND" not in spark.sparkContext.environment


@dataclass(frozen=True)
class Counting:
    """A task that returns how many objects its process excludes from garbage collection."""

    key: str

    def run(self, shared: None) -> Done:  # noqa: ARG002 - the protocol's signature
        return Done(f"{os.getpid()}", str(gc.get_freeze_count()))

    def lost(self, error: str) -> Done:
        return Done(self.key, error)


def test_what_a_process_has_loaded_is_not_walked_through_after_each_task(spark: SparkSession) -> None:
    fan = FanOut(spark.sparkContext, "trials")
    with worker_environment(spark.sparkContext, "counting"):  # processes that no other test has used
        fan.submit([Counting(f"t{number}") for number in range(12)])
        found = results_of(fan, 12)
    frozen: dict[str, list[int]] = {}
    for done in found:
        frozen.setdefault(done.key, []).append(int(done.said))
    assert all(counts[0] == 0 for counts in frozen.values())
    assert all(min(counts[1:]) > 10_000 for counts in frozen.values() if counts[1:])


@dataclass(frozen=True)
class Mistaken:
    key: str = "mistaken"

    def run(self, shared: None) -> None:  # noqa: ARG002 - the protocol's signature
        raise RuntimeError("not meant to happen")

    def lost(self, error: str) -> str:
        return error


def test_a_task_that_raises_ends_the_search(spark: SparkSession) -> None:
    fan = FanOut(spark.sparkContext, "trials")
    fan.submit([Mistaken()])
    with pytest.raises(PythonException, match="not meant to happen"):
        results_of(fan, 1)
