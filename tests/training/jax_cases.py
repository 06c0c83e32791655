"""Tests of fits on JAX. ``test_jax`` runs this file in a separate process, where Keras uses the JAX backend.

Run by hand: KERAS_BACKEND=jax .venv/bin/python -m pytest --noconftest tests/training/jax_cases.py
"""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
import numpy.typing as npt
import pytest

from tests.factories.corpora import invented
from tests.factories.networks import (
    NETWORKS,
    SIX,
    VARIANTS,
    candidate,
    learned,
    network_of,
    packed,
    rows_of,
    same,
)  # fmt: skip
from textclf.artifact import ModelStore
from textclf.models import KerasArchitecture
from textclf.training import validated_fit
from textclf.training.data import Rows
from textclf.training.fit import ModelSpec, fit
from textclf.training.jax.initial_weights import initial_tensors
from textclf.training.jax.ragged import batches
from textclf.training.jax.ragged.batches import Texts, bucket
from textclf.training.jax.ragged.step import programs
from textclf.training.jax.train_loop import _convolve, steps_of
from textclf.training.keras_trainer import fit_rows
from textclf.training.validated_fit import Watched, fit_watched

Numbers = npt.NDArray[np.int64]


def watch(wanted: ModelSpec, rows: Rows, some: Numbers, others: Numbers) -> Watched:
    """Fit on some of the rows and validate on others."""
    network = network_of(wanted)
    return fit_watched(network, network.training_inputs(rows.texts), rows.labels, some, others, wanted.settings)


def assert_as_keras(wanted: ModelSpec, rows: Rows) -> None:
    """Assert that a fit has the same losses as Keras' own training loop, and that it learns.

    With all rows in one batch, their order does not matter, so the fit can be compared with Keras' own.
    """
    network, everything, nothing = network_of(wanted), np.arange(len(rows)), keras.callbacks.Callback()
    ours = watch(wanted, rows, everything, everything[:0]).history
    inputs = network.training_inputs(rows.texts)
    _, theirs, _ = fit_rows(network, inputs, rows.labels, everything, everything[:0], wanted.settings, nothing)
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-4)
    assert ours["loss"][-1] < ours["loss"][0]


def assert_cropping_is_nothing(wanted: ModelSpec, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assert that a fit on cropped texts has the same metrics as one at full length."""
    cropped = fit(wanted, rows).history
    with monkeypatch.context() as patched:
        patched.setattr(type(wanted.architecture), "padding", lambda *_: None)
        whole = fit(wanted, rows).history
    assert set(cropped) == set(whole) == {"loss", "accuracy"}
    for name, values in whole.items():
        np.testing.assert_allclose(cropped[name], values, rtol=1e-4, err_msg=name)


def test_a_fit_learns_and_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(invented(48))
    wanted = candidate("cnn", rows)
    first = fit(wanted, rows)

    assert same(first, fit(wanted, rows))
    assert first.history["loss"][-1] < first.history["loss"][0]
    assert_cropping_is_nothing(candidate("cnn", rows, epochs=3), rows, monkeypatch)


def test_batches_of_another_size_change_the_epochs_that_have_them() -> None:
    rows = rows_of(invented(48))

    def history(**given: Any) -> dict[str, list[float]]:
        return watch(candidate("cnn", rows, **given), rows, np.arange(40), np.arange(40, 48)).history

    once, mixed = history(), history(batch_size=(8, 20))
    assert history(batch_size=(8, 8)) == once
    assert mixed["loss"][:4] == once["loss"][:4]
    assert mixed != once


def test_output_weights_are_scaled_back_to_their_longest_norm() -> None:
    rows = rows_of(invented(48))
    wanted = candidate("kim_cnn", rows, {"max_norm": 0.1}, epochs=2, learning_rate=0.5)
    watched_too = watch(wanted, rows, np.arange(48), np.arange(0)).weights()[-2]

    for kernel in (fit(wanted, rows).weights["output.kernel"], watched_too):
        assert kernel.shape == (16, 1)
        assert abs(np.linalg.norm(kernel, axis=0) - 0.1).max() < 1e-6


def test_compiled_epochs_step_as_keras_does_and_all_folds_share_one_program(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, made = rows_of(invented(48)), list[Any]()

    def kept(*given: Any) -> Any:
        made.append(steps_of(*given))
        return made[-1]

    monkeypatch.setattr(validated_fit, "steps_of", kept)
    wanted, everything = candidate("kim_cnn", rows, {"dropout": 0.0}, epochs=4, batch_size=48), np.arange(48)

    assert_as_keras(wanted, rows)
    for some in (40, 39, 33):
        watch(wanted, rows, everything[:some], everything[some:])
    assert len({id(each) for each in made}) == 1
    assert made[-1].epoch._cache_size() == 1


@pytest.mark.parametrize("width", [1, 5, 16, 17, 30])
def test_windows_of_any_width_are_convolved_as_keras_does(width: int) -> None:
    generator = np.random.default_rng(1)
    texts, kernel = generator.normal(size=(3, 30, 4)), generator.normal(size=(width, 4, 6))

    found = _convolve(jnp.array(texts), jnp.array(kernel))

    np.testing.assert_allclose(found, keras.ops.conv(texts, kernel), atol=1e-4)


def said_of_all_lengths() -> list[str]:
    """Return texts that are empty, shorter than a window, as long as max_length (30), longer, or repeated."""
    drawn_from = "good bad plain loud soft late the food was very place we came again service and"
    words = drawn_from.split()
    generator = np.random.default_rng(1)
    lengths = [0, 0, 1, 2, 3, 4, 7, 12, 25, 26, 27, 28, 29, 30, 31, 60, 500]
    said = [" ".join(generator.choice(words, length)) for length in lengths]
    return [*said, "very good very good very good", "good " * 40, "the food was bad " * 3]


@pytest.mark.parametrize(
    ("labels", "kernel_size", "settings"),
    [(2, 5, {}), (3, 3, {"class_weights": "balanced"}), (2, 1, {"schedule": "cosine"}), (3, 30, {})],
)
def test_packed_texts_fit_as_keras_fits_padded_ones(labels: int, kernel_size: int, settings: dict[str, Any]) -> None:
    rows = rows_of([(text, str(number * 7 % labels)) for number, text in enumerate(said_of_all_lengths())])
    common: dict[str, Any] = {"epochs": 30, "batch_size": 20, "learning_rate": 0.003}
    wanted = candidate("cnn", rows, {"kernel_size": kernel_size}, **common | settings)

    assert network_of(wanted).made.windows(wanted.hyperparameters, wanted.shape) is not None
    assert_as_keras(wanted, rows)


def test_words_that_few_batches_have_move_as_keras_moves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compared with a plain Keras loop over the same batches, in which words are absent for many steps."""
    rows = rows_of([(f"{text} word{number}", label) for number, (text, label) in enumerate(invented(60))])
    wanted, everything = candidate("cnn", rows, batch_size=4, epochs=6, learning_rate=0.002), np.arange(60)
    orders, draw = list[Numbers](), Texts.draw

    def kept(texts: Texts, chosen: Numbers, sizes: Any, generator: np.random.Generator) -> tuple[Numbers, Any]:
        orders.append(draw(texts, chosen, sizes, generator)[0])
        return orders[-1], sizes

    monkeypatch.setattr(Texts, "draw", kept)
    found = watch(wanted, rows, everything[:45], everything[45:])

    network, size = network_of(wanted), wanted.shape.vocabulary
    model = network.made.build(wanted.hyperparameters, wanted.shape)
    wide = replace(wanted.shape, vocabulary=bucket(size))
    first = initial_tensors(network.made, wanted.hyperparameters, wide, 3)
    model.set_weights([first[0][:size], *first[1:]])
    model.compile(keras.optimizers.Adam(0.002), "binary_crossentropy", metrics=["accuracy"])
    inputs: Any = network.inputs(rows.texts, wanted.shape.max_length)
    for order in orders:
        for begin in range(0, 45, 4):
            model.train_on_batch(inputs[order[begin : begin + 4]], rows.labels[order[begin : begin + 4]])

    assert len(orders) == 6
    for ours, theirs in zip(found.weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5, rtol=0)
    assert np.abs(found.weights()[0] - first[0][:size]).max() > 0.05
    loss, accuracy = model.evaluate(inputs[45:], rows.labels[45:], verbose=0)
    assert found.history["val_loss"][-1] == pytest.approx(loss, abs=1e-4)
    assert found.history["val_accuracy"][-1] == pytest.approx(accuracy, abs=1e-6)


def test_all_folds_of_packed_texts_share_one_program_and_larger_batches_get_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, everything = rows_of(invented(96)), np.arange(96)
    wanted = candidate("cnn", rows, epochs=3, batch_size=8)
    programs.cache_clear()
    for some in (60, 72, 95, 96):
        watch(wanted, rows, everything[:some], everything[some:])
    assert isinstance(wanted.architecture, KerasArchitecture)
    windows = wanted.architecture.windows(wanted.hyperparameters, wanted.shape)
    assert windows is not None
    assert programs.cache_info().currsize == 1
    compiled = programs(replace(windows, vocabulary=bucket(windows.vocabulary)))
    assert (len(compiled.train), len(compiled.watch)) == (1, 1)

    def history(**sizes: float) -> dict[str, list[float]]:
        for name, value in sizes.items():
            monkeypatch.setattr(batches, name, value)
        return watch(wanted, rows, everything[:72], everything[72:]).history

    cramped = history(_FITTING=0.0, _MARGIN=0.3, _DRAWS=1)  # steps too small for most batches
    roomy = history(_FITTING=1.0, _MARGIN=9.0)  # steps with room for every batch
    split = history(_AT_ONCE=2, _HELD_STEPS=1, _HELD_TOKENS=1, _HELD=3)  # split into many calls
    for name, values in roomy.items():
        np.testing.assert_allclose(cramped[name], values, rtol=1e-4, err_msg=name)
        np.testing.assert_allclose(split[name], values, rtol=1e-4, err_msg=name)


@pytest.mark.long
@pytest.mark.parametrize("name", [*NETWORKS, *VARIANTS])
def test_every_network_learns(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted, rows, first = learned(name, SIX)
    network = network_of(wanted)
    losses = watch(wanted, rows, np.arange(80), np.arange(80, 96)).history["val_loss"]

    assert same(first, fit(wanted, rows))
    assert np.mean(first.predict(rows.texts).argmax(axis=1) == rows.labels) > 1 / 3
    assert losses[-1] < losses[0]
    if name in NETWORKS and network.made.padding(wanted.hyperparameters) is not None:
        assert_cropping_is_nothing(candidate(name, rows, epochs=3), rows, monkeypatch)
    texts = ["", "zzzqqq", *rows.texts.to_pylist()]
    ModelStore(str(tmp_path_factory.getbasetemp())).save(packed(name, wanted, first, SIX, texts))
