"""Searches that lose their driver, an executor or a worker process still record every trial exactly once."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyspark.sql import SparkSession

from tests.cluster.submission import on_cluster, submit_environ
from tests.factories.corpora import invented, put, source_toml
from textclf.config import load_pipeline

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
TRIALS = 8  # three networks and the baseline, on two folds each
_SEARCH = """
[train]
keras_backend = "jax"
[search]
strategy = "grid"
folds = 2
epochs = 30
[search.space]
num_filters = [2]
kernel_size = [2, 3, 4]
embedding_dim = [4]
"""


@pytest.fixture(scope="module")
def config(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline file with one source for each test."""
    folder = tmp_path_factory.mktemp("killed")
    path = folder / "pipeline.toml"
    sources = "".join(map(source_toml, ("driver", "executor", "worker")))
    path.write_text(f'warehouse = "{folder / "warehouse"}"\n{sources}{_SEARCH}')
    for name in ("driver", "executor", "worker"):
        put(spark, load_pipeline(path), name, invented(200))
    return path


@contextmanager
def _searching(cluster: str, config: Path, source: str) -> Iterator[subprocess.Popen[str]]:
    command = [str(ROOT / "spark-submit.sh"), *on_cluster(cluster)]
    command += ["search_models", "--config", str(config), "--source", source]
    process = subprocess.Popen(
        command, env=submit_environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _trials(config: Path, source: str) -> pd.DataFrame:
    try:
        rows = DeltaTable(str(config.parent / "warehouse" / "trials")).to_pandas()
    except TableNotFoundError:
        return pd.DataFrame()
    return rows[rows["source"] == source]


def _wait_for(condition: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    """Wait until the condition holds, and fail if the search ends before."""
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def _descendants(root: int) -> dict[int, str]:
    """Return the command lines of a process's descendants by process ID."""
    parents, lines = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                lines[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # the process has ended in the meantime

    def below(number: int) -> bool:
        while number in parents and number != root:
            number = parents[number]
        return number == root

    return {number: line for number, line in lines.items() if number != root and below(number)}


def _executors() -> list[int]:
    return [number for number, line in _descendants(os.getpid()).items() if "CoarseGrainedExecutorBackend" in line]


def _workers() -> list[int]:
    """Return the Python processes that run trials: the children of the executors' daemons."""
    found = []
    for executor in _executors():
        python = [number for number, line in _descendants(executor).items() if "pyspark.daemon" in line]
        found += [number for number in python if any(number in _descendants(other) for other in python)]
    return found


def _check(config: Path, source: str, output: str) -> None:
    rows = _trials(config, source)
    assert json.loads(output.splitlines()[-1])["details"]["sources"][source]["champion"] is True
    assert len(rows) == rows["trial"].nunique() == TRIALS
    assert set(rows["status"]) == {"succeeded"}


@pytest.mark.parametrize(("source", "victims"), [("worker", _workers), ("executor", _executors)])
def test_a_killed_process(cluster: str, config: Path, source: str, victims: Callable[[], list[int]]) -> None:
    with _searching(cluster, config, source) as process:
        _wait_for(lambda: len(_trials(config, source)) >= 1 and victims(), process)
        os.kill(victims()[0], signal.SIGKILL)
        output, said = process.communicate()

    assert process.returncode == 0, said
    _check(config, source, output)


def test_a_killed_driver(cluster: str, config: Path) -> None:
    with _searching(cluster, config, "driver") as process:
        _wait_for(lambda: len(_trials(config, "driver")) >= 1, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    left = len(_trials(config, "driver"))

    with _searching(cluster, config, "driver") as process:
        output, said = process.communicate()

    assert process.returncode == 0, said
    assert 1 <= left < TRIALS
    assert json.loads(output.splitlines()[-1])["details"]["trials_known"] == left
    _check(config, "driver", output)
