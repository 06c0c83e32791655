"""A real standalone cluster on loopback: one master and two workers, from the Spark of the ``pyspark`` package."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.processes import free_port
from textclf.common.spark_settings import spark_home
from textclf.spark.java import java_home

_WORKERS = 2
_START = 120.0  # seconds; a busy machine may take this long


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The master's URL of a running cluster whose workers have all registered."""
    with standalone(tmp_path_factory.mktemp("cluster"), _WORKERS) as url:
        yield url


@contextmanager
def standalone(scratch: Path, workers: int, *, cores: int = 1, worker_options: str = "") -> Iterator[str]:
    """Run a separate cluster and yield its URL; ``worker_options`` are Java options of the workers."""
    port = free_port()
    url, log = f"spark://127.0.0.1:{port}", scratch / "master.log"
    with ExitStack() as running:
        running.enter_context(_daemon(log, "master.Master", "--port", str(port)))
        _wait(log, "I have been elected leader", 1)
        for number in range(workers):
            folder = scratch / f"worker{number}"
            options = ["--cores", str(cores), "--memory", "1g", "--work-dir", str(folder), url]
            given = {"SPARK_WORKER_OPTS": worker_options}
            running.enter_context(_daemon(scratch / f"worker{number}.log", "worker.Worker", *options, **given))
        _wait(log, "Registering worker", workers)
        yield url


@contextmanager
def _daemon(log: Path, name: str, *options: str, **variables: str) -> Iterator[None]:
    environ = (
        os.environ
        | variables
        | {
            "JAVA_HOME": str(java_home()),
            "SPARK_HOME": str(spark_home()),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
    )
    command = [str(spark_home() / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}"]
    command += ["--host", "127.0.0.1", "--webui-port", "0", *options]
    with log.open("wb") as output:
        # spark-class execs the JVM, so terminating this process ends the daemon.
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(log: Path, words: str, times: int) -> None:
    deadline = time.monotonic() + _START
    while log.read_text(errors="replace").count(words) < times:
        if time.monotonic() > deadline:
            pytest.fail(f"the cluster did not start: no {words!r} x {times} in\n{log.read_text(errors='replace')}")
        time.sleep(0.2)
