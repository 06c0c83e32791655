"""Initial weights of fits, kept for later processes."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, run_module


def fitted(folder: Path, seed: int = 1) -> tuple[bool, bool, dict[str, Any], list[float]]:
    """Fit in a new process; return whether weights were kept before, whether Keras was imported, and the results."""
    environ = os.environ | {"KERAS_BACKEND": "jax", "JAX_COMPILATION_CACHE_DIR": str(folder)}
    done = run_module("tests.training.initial_weights_process", seed, environ=environ)
    before, imported, history, sums = json.loads(done.stdout)
    return before, imported, history, sums


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Any, ...]]:
    """Return the file of initial weights after a first fit, and the output of that fit."""
    folder = tmp_path_factory.mktemp("kept")
    first = fitted(folder)
    (file,) = folder.glob("*.initial")
    return file, first


def test_a_later_process_begins_with_the_same_tensors_without_keras(kept: tuple[Path, tuple[Any, ...]]) -> None:
    file, first = kept
    assert first[:2] == (False, True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert fitted(file.parent) == (True, False, *first[2:])
    other = fitted(file.parent, seed=2)
    assert other[:2] == (True, True)
    assert other[2] != first[2]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"", id="empty", marks=pytest.mark.long),
        pytest.param(lambda whole: whole[:-7], id="cut", marks=pytest.mark.long),
        pytest.param(lambda whole: whole[:100] + b"?" + whole[101:], id="flipped"),
    ],
)
def test_a_damaged_file_is_drawn_again_and_replaced(
    kept: tuple[Path, tuple[Any, ...]], tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    file, first = kept
    for programs in file.parent.iterdir():  # the compiled programs are undamaged
        shutil.copy(programs, tmp_path) if programs.is_file() else shutil.copytree(programs, tmp_path / programs.name)
    (tmp_path / file.name).write_bytes(damage(file.read_bytes()))
    assert fitted(tmp_path) == (True, True, *first[2:])
    assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_executors_that_have_the_code_in_a_zip_keep_under_the_same_names(tmp_path: Path) -> None:
    code = "import textclf.training.jax.initial_weights as i; print(i._versions(), i.__file__)"
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        for path in (ROOT / "textclf").rglob("*.py"):
            archive.write(path, path.relative_to(ROOT))
    found = []
    for place in (str(ROOT), str(tmp_path / "code.zip")):
        environ = os.environ | {"PYTHONPATH": place}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
        found.append(done.stdout.split())
    assert found[0][0] == found[1][0]
    assert "code.zip" in found[1][1]
