"""Processes beside the tests: modules named ``*_process``, each in a process of its own, and ports for servers."""

import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run_module(
    name: str, *words: object, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a module in a new process; if its exit code is not 0, fail with its output.

    Args:
        name: Dotted name of the module, below ``tests``.
        words: Arguments of its command line.
        environ: Environment of the process; by default that of this process.

    Returns:
        The completed process, with its standard output and standard error.
    """
    command = [sys.executable, "-m", name, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    return done


def free_port() -> int:
    """Return an unused port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
