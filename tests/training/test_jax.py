"""Fits of networks on JAX, in a separate process: Keras has one backend per process."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.factories.networks import NETWORKS, VARIANTS
from textclf.artifact import ModelStore
from textclf.inference.scorer import make_scorer


def run(marked: str, folder: Path) -> None:
    """Run the cases of ``jax_cases`` with this marker on JAX; on failure, show their whole output.

    Args:
        folder: Folder for their temporary files.
    """
    cases = Path(__file__).with_name("jax_cases.py")
    command: list[str | Path] = [sys.executable, "-m", "pytest", "--noconftest", "-q", cases]
    command += ["-m", marked, "--basetemp", folder]
    environ = os.environ | {"KERAS_BACKEND": "jax", "PYTEST_ADDOPTS": "-p no:randomly -p no:cacheprovider"}
    done = subprocess.run(command, cwd=cases.parents[2], env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


@pytest.mark.timeout(1800)  # all cases share one process, so Keras is imported once
def test_fits_on_jax(tmp_path: Path) -> None:
    run("not long", tmp_path / "left")


@pytest.mark.long
def test_every_network_learns_on_jax_and_scores_on_tensorflow(tmp_path: Path) -> None:
    run("long", tmp_path / "models")

    store = ModelStore(str(tmp_path / "models"))
    assert sorted(store.names()) == sorted([*NETWORKS, *VARIANTS])
    for name in store.names():
        artifact = store.load(name, "1")
        scores, _ = make_scorer(artifact).score(pa.array(artifact.golden.texts))
        np.testing.assert_allclose(scores, artifact.golden.scores, atol=1e-5, err_msg=name)
