"""Fitting networks on JAX, in processes of their own: Keras runs on one engine a process."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.training.test_network import MODELS, NETWORKS, VARIANTS
from textclf.artifact import ModelStore
from textclf.scoring.scorer import make_scorer

BEGIN = """
import json, sys
import numpy as np
from tests.training.test_network import *
from textclf.training.watched import fit_watched
use_keras_backend("jax")
def watch(wanted, rows, some, others):
    network = network_of(wanted)
    return fit_watched(network, network.training_inputs(rows.texts), rows.labels, some, others, wanted.settings)
def cropping_matters(wanted, rows):
    cropped, made, padding = fit(wanted, rows).history, type(wanted.architecture), type(wanted.architecture).padding
    made.padding = lambda *_: None
    whole = fit(wanted, rows).history
    made.padding = padding
    assert set(cropped) == set(whole) == {"loss", "accuracy"}
    return not all(np.allclose(cropped[name], whole[name], rtol=1e-4) for name in whole)
"""


def on_jax(code: str, *given: str) -> str:
    """What a program prints that runs on JAX."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", BEGIN + code, *given]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


def test_jax_learns_and_repeats_itself_and_changes_its_batch_size() -> None:
    code = """
rows = rows_of(invented(48))
wanted = candidate("cnn", rows)
first = fit(wanted, rows)
print(same(first, fit(wanted, rows)), first.history["loss"][-1] < first.history["loss"][0])

def history(**given):
    return watch(candidate("cnn", rows, **given), rows, np.arange(40), np.arange(40, 48)).history
once, twice, mixed = history(), history(batch_size=(8, 8)), history(batch_size=(8, 20))
print(once == twice, once["loss"][:4] == mixed["loss"][:4], once == mixed)
print(cropping_matters(candidate("cnn", rows, epochs=3), rows))

wanted = candidate("kim_cnn", rows, {"max_norm": 0.1}, epochs=2, learning_rate=0.5)
kernels = fit(wanted, rows).weights["output.kernel"], watch(wanted, rows, np.arange(48), np.arange(0)).weights()[-2]
for kernel in kernels:
    assert kernel.shape == (16, 1)
    print(abs(np.linalg.norm(kernel, axis=0) - 0.1).max() < 1e-6)
"""
    assert on_jax(code).split() == ["True", "True", "True", "True", "False", "False", "True", "True"]


def test_compiled_epochs_step_as_keras_does_and_all_folds_share_one_program() -> None:
    """With one batch of all rows the order of rows is nothing: a fit can be held against Keras' own."""
    code = """
import jax.numpy as jnp
import keras
from textclf.training import watched
from textclf.training.network import fit_rows
rows = rows_of(invented(48))
made = []
original = watched.steps_of
watched.steps_of = lambda *given: made.append(original(*given)) or made[-1]
for name, given in (("cnn", {}), ("kim_cnn", {"dropout": 0.0})):
    wanted = candidate(name, rows, given, epochs=4, batch_size=48)
    network, everything = network_of(wanted), np.arange(48)
    ours = watch(wanted, rows, everything, everything[:0]).history
    inputs = network.training_inputs(rows.texts)
    nothing = keras.callbacks.Callback()
    theirs = fit_rows(network, inputs, rows.labels, everything, everything[:0], wanted.settings, nothing)[1]
    print(np.allclose(ours["loss"], theirs["loss"], rtol=1e-4), ours["loss"][-1] < ours["loss"][0])
    for some in (40, 39, 33):
        watch(wanted, rows, everything[:some], everything[some:])
    print(made[-1] is made[-4], made[-1].epoch._cache_size())
from textclf.training.steps import _convolve
generator = np.random.default_rng(1)
for width in (1, 5, 16, 17, 30):
    texts, kernel = generator.normal(size=(3, 30, 4)), generator.normal(size=(width, 4, 6))
    same = np.allclose(_convolve(jnp.array(texts), jnp.array(kernel)), keras.ops.conv(texts, kernel), atol=1e-4)
    print(same)
"""
    assert on_jax(code).split() == ["True", "True", "True", "1"] * 2 + ["True"] * 5


@pytest.mark.long
def test_every_network_learns_on_jax_and_scores_on_tensorflow(tmp_path: Path) -> None:
    code = """
found = {}
for name in [*NETWORKS, *VARIANTS]:
    wanted, rows, first = learned(name, SIX)
    losses = watch(wanted, rows, np.arange(80), np.arange(80, 96)).history["val_loss"]
    right = np.mean(first.predict(rows.texts).argmax(axis=1) == rows.labels)
    ModelStore(sys.argv[1]).save(packed(name, wanted, first, SIX, ["", "zzzqqq", *rows.texts.to_pylist()]))
    found[name] = [same(first, fit(wanted, rows)), bool(right > 1 / 3), losses[-1] < losses[0]]
    if name in CROPPED:
        assert not cropping_matters(candidate(name, rows, epochs=3), rows), name
print(json.dumps(found))
"""
    found = json.loads(on_jax(code, str(tmp_path)))
    assert found == {name: [True, True, True] for name in MODELS if name in {*NETWORKS, *VARIANTS}}
    for name in found:
        artifact = ModelStore(str(tmp_path)).load(name, "1")
        scores, _ = make_scorer(artifact).score(pa.array(artifact.golden.texts))
        np.testing.assert_allclose(scores, artifact.golden.scores, atol=1e-5, err_msg=name)
