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
import keras
from textclf.training.network import fit_rows
def watch(wanted, rows, some, others):
    network = network_of(wanted)
    return fit_watched(network, network.training_inputs(rows.texts), rows.labels, some, others, wanted.settings)
def as_keras(wanted, rows):
    network, everything, nothing = network_of(wanted), np.arange(len(rows)), keras.callbacks.Callback()
    ours = watch(wanted, rows, everything, everything[:0]).history
    inputs = network.training_inputs(rows.texts)
    theirs = fit_rows(network, inputs, rows.labels, everything, everything[:0], wanted.settings, nothing)[1]
    return np.allclose(ours["loss"], theirs["loss"], rtol=1e-4) and ours["loss"][-1] < ours["loss"][0]
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
rows = rows_of(invented(48))
made = []
original = watched.steps_of
watched.steps_of = lambda *given: made.append(original(*given)) or made[-1]
wanted, everything = candidate("kim_cnn", rows, {"dropout": 0.0}, epochs=4, batch_size=48), np.arange(48)
print(as_keras(wanted, rows))
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
    assert on_jax(code).split() == ["True"] * 2 + ["1"] + ["True"] * 5


def test_packed_texts_fit_as_keras_fits_padded_ones() -> None:
    """Texts of all lengths: empty, shorter than a window, as long as max_length (30) and longer, one said twice."""
    code = """
words = "good bad plain loud soft late the food was very place we came again service and".split()
generator = np.random.default_rng(1)
lengths = [0, 0, 1, 2, 3, 4, 7, 12, 25, 26, 27, 28, 29, 30, 31, 60, 500]
said = [" ".join(generator.choice(words, length)) for length in lengths]
said += ["very good very good very good", "good " * 40, "the food was bad " * 3]
for labels, given, settings in (
    (2, {"kernel_size": 5}, {}),
    (3, {"kernel_size": 3}, {"class_weights": "balanced"}),
    (2, {"kernel_size": 1}, {"schedule": "cosine"}),
    (3, {"kernel_size": 30}, {}),
):
    rows = rows_of([(text, str(number * 7 % labels)) for number, text in enumerate(said)])
    wanted = candidate("cnn", rows, given, **{"epochs": 30, "batch_size": 20, "learning_rate": 0.003} | settings)
    assert network_of(wanted).made.windows(wanted.hyperparameters, wanted.shape) is not None
    print(as_keras(wanted, rows))
"""
    assert on_jax(code).split() == ["True"] * 4


def test_words_that_few_batches_have_move_as_keras_moves_them() -> None:
    """In the order of a fit's batches, over which words are missed for many steps, against a plain loop of Keras."""
    code = """
from dataclasses import replace
from textclf.training.packing import Texts, bucket
from textclf.training.initial import initial_tensors
rows = rows_of([(f"{text} word{number}", label) for number, (text, label) in enumerate(invented(60))])
wanted, everything = candidate("cnn", rows, batch_size=4, epochs=6, learning_rate=0.002), np.arange(60)
orders, draw = [], Texts.draw
def kept(*given):
    orders.append(draw(*given)[0])
    return orders[-1], given[2]
Texts.draw = kept
found = watch(wanted, rows, everything[:45], everything[45:])

network = network_of(wanted)
model = network.made.build(wanted.hyperparameters, wanted.shape)
wide = replace(wanted.shape, vocabulary=bucket(wanted.shape.vocabulary))
first = initial_tensors(network.made, wanted.hyperparameters, wide, 3)
model.set_weights([first[0][: wanted.shape.vocabulary], *first[1:]])
model.compile(keras.optimizers.Adam(0.002), "binary_crossentropy", metrics=["accuracy"])
inputs = network.inputs(rows.texts, wanted.shape.max_length)
for order in orders:
    for begin in range(0, 45, 4):
        model.train_on_batch(inputs[order[begin : begin + 4]], rows.labels[order[begin : begin + 4]])
for ours, theirs in zip(found.weights(), model.get_weights(), strict=True):
    print(np.abs(ours - theirs).max() < 2e-5)
print(np.abs(found.weights()[0] - first[0][: wanted.shape.vocabulary]).max() > 0.05)
loss, accuracy = model.evaluate(inputs[45:], rows.labels[45:], verbose=0)
print(abs(found.history["val_loss"][-1] - loss) < 1e-4, abs(found.history["val_accuracy"][-1] - accuracy) < 1e-6)
"""
    assert on_jax(code).split() == ["True"] * 10


def test_all_folds_of_packed_texts_share_one_program_and_larger_batches_get_another() -> None:
    code = """
from textclf.training.packed import programs
wanted = candidate("cnn", rows := rows_of(invented(96)), epochs=3, batch_size=8)
everything = np.arange(96)
for some in (60, 72, 95, 96):
    watch(wanted, rows, everything[:some], everything[some:])
print(programs.cache_info().currsize)
windows = wanted.architecture.windows(wanted.hyperparameters, wanted.shape)
from dataclasses import replace
from textclf.training.packing import bucket
kept = programs(replace(windows, vocabulary=bucket(windows.vocabulary)))
print(len(kept.train), len(kept.watch))

from textclf.training import packing
packing._FITTING, packing._MARGIN, packing._DRAWS = 0.0, 0.3, 1  # no room
cramped = watch(wanted, rows, everything[:72], everything[72:]).history
packing._FITTING, packing._MARGIN = 1.0, 9.0  # room for all
roomy = watch(wanted, rows, everything[:72], everything[72:]).history
print(all(np.allclose(cramped[name], roomy[name], rtol=1e-4) for name in roomy))
packing._AT_ONCE, packing._HELD_STEPS, packing._HELD_TOKENS, packing._HELD = 2, 1, 1, 3  # many calls
split = watch(wanted, rows, everything[:72], everything[72:]).history
print(all(np.allclose(split[name], roomy[name], rtol=1e-4) for name in roomy))
"""
    assert on_jax(code).split() == ["1", "1", "1", "True", "True"]


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
