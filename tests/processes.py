"""Modules of the tests, named ``*_process``, that run in a process of their own: a test asks about the process."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run_module(
    name: str, *words: object, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a module in a second process, and fail with all that it said where it does not end with 0.

    Args:
        name: Dotted name of the module, below ``tests``.
        words: Words of its command line.
        environ: Environment of the process; by default that of this one.

    Returns:
        What it said on standard output and standard error.
    """
    command = [sys.executable, "-m", name, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    return done
