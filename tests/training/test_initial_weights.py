"""Tensors that fits begin with, kept for processes that come later."""

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

CODE = """
import json, os, sys
import numpy as np
import pyarrow as pa
os.environ |= {"KERAS_BACKEND": "jax", "JAX_COMPILATION_CACHE_DIR": sys.argv[1]}
from tests.factories.corpora import invented
from textclf.models import InputShape, architecture
from textclf.text.encoder import Encoder
from textclf.text.tokenizer import tokenize
from textclf.text.vocabulary import Vocabulary
from textclf.training.jax.initial_weights import any_kept
from textclf.training.keras_trainer import Network, prepare_engine
from textclf.training.settings import FitSettings
from textclf.training.validated_fit import fit_watched

texts, labels = zip(*invented(24))
vocabulary = Vocabulary(tuple(sorted({word for text in texts for word in tokenize(text)})))
encoder, made = Encoder("keras", vocabulary, 100, 30), architecture("cnn")
wanted = made.parse({"num_filters": 4, "embedding_dim": 5, "kernel_size": 3})
network = Network(made, wanted, encoder, InputShape(vocabulary.size(100), 30, 2))
settings = FitSettings(epochs=3, batch_size=5, seed=int(sys.argv[2]), learning_rate=0.01)
prepare_engine()
before, rows, numbers = any_kept(), np.arange(24), np.array(labels, np.int32)
inputs = network.training_inputs(pa.array(texts))
found = fit_watched(network, inputs, numbers, rows[:18], rows[18:], settings)
sums = [float(np.abs(tensor).sum()) for tensor in found.weights()]
imported = "keras" in sys.modules
print(json.dumps([before, imported, found.history, sums]))
"""


def fitted(folder: Path, seed: int = 1) -> tuple[bool, bool, dict[str, Any], list[float]]:
    """Of a fit in a process of its own: whether anything was kept before, whether Keras was imported, the rest."""
    command = [sys.executable, "-c", CODE, str(folder), str(seed)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    before, imported, history, sums = json.loads(done.stdout)
    return before, imported, history, sums


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Any, ...]]:
    """The only file of a folder after a first fit, and what that fit found."""
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
    for programs in file.parent.iterdir():  # those compiled are as good as they were
        shutil.copy(programs, tmp_path) if programs.is_file() else shutil.copytree(programs, tmp_path / programs.name)
    (tmp_path / file.name).write_bytes(damage(file.read_bytes()))
    assert fitted(tmp_path) == (True, True, *first[2:])
    assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_executors_that_have_the_code_in_a_zip_keep_under_the_same_names(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    code = "import textclf.training.jax.initial_weights as i; print(i._versions(), i.__file__)"
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        for path in (root / "textclf").rglob("*.py"):
            archive.write(path, path.relative_to(root))
    found = []
    for place in (str(root), str(tmp_path / "code.zip")):
        environ = os.environ | {"PYTHONPATH": place}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
        found.append(done.stdout.split())
    assert found[0][0] == found[1][0]
    assert "code.zip" in found[1][1]
