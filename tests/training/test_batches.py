"""Batches are padded on request and all have one shape."""

from typing import Any

import numpy as np
import pytest

from tests.factories.corpora import invented
from tests.factories.networks import candidate, network_of, rows_of, same
from textclf.models import KerasArchitecture
from textclf.training import batches as module
from textclf.training.batches import Batches, Counts, Inputs
from textclf.training.fit import fit

ROWS = rows_of(invented(50))


def inputs_of(name: str) -> Inputs:
    return network_of(candidate(name, ROWS)).training_inputs(ROWS.texts)


def batches_of(inputs: Inputs, **more: Any) -> Batches:
    settings = {"rows": np.arange(50), "weights": None, "size": 8, "seed": 3} | more
    return Batches(inputs, ROWS.labels, **settings)


@pytest.mark.parametrize("name", ["cnn", "dense"])
def test_held_and_padded_on_demand_give_the_same_batches(name: str) -> None:
    inputs = inputs_of(name)
    held, demanded = batches_of(inputs), batches_of(inputs, held_bytes=0)
    for epoch in (0, 1):
        for batches in (held, demanded):
            batches.begin(epoch)
        for number in range(len(held)):
            for first, second in zip(held.batch(number), demanded.batch(number), strict=True):
                np.testing.assert_array_equal(first, second)
                assert first.dtype == second.dtype


@pytest.mark.parametrize("name", ["cnn", "dense"])
def test_a_corpus_too_large_to_be_held_gives_the_same_fit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = candidate(name, ROWS, epochs=2)
    held = fit(wanted, ROWS)
    seen = []

    def spy(*args: Any) -> Batches:
        made = Batches(*args)
        made.held_bytes, made._matrix = 0, None
        seen.append(made)
        return made

    monkeypatch.setattr("textclf.training.keras_trainer.Batches", spy)

    assert same(held, fit(wanted, ROWS))
    assert [made._matrix for made in seen] == [None]


def test_an_epoch_holds_every_row_once_in_an_order_of_its_own() -> None:
    batches = batches_of(Counts(inputs_of("dense").matrix[:, :1]))  # type: ignore[union-attr]
    numbered = batches_of(inputs_of("cnn"), rows=np.arange(10, 43))
    orders = []
    for epoch in (0, 1, 0):
        numbered.begin(epoch)
        orders.append([tuple(row) for number in range(len(numbered)) for row in numbered.batch(number)[0][:8]][:33])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    assert len(batches) == 7


def test_the_last_batch_is_filled_up_with_rows_that_weigh_nothing() -> None:
    batches = batches_of(inputs_of("cnn"))
    sizes = {part.shape[0] for number in range(len(batches)) for part in batches.batch(number)}
    inputs, _, weights = batches.batch(6)
    assert sizes == {8}
    assert not inputs[2:].any()
    # The mean over 8 rows, two of which have weight 4, equals the mean over those two.
    assert weights.tolist() == [4, 4, 0, 0, 0, 0, 0, 0]
    assert len(batches_of(inputs_of("cnn"), rows=np.arange(48)).batch(0)) == 2


def test_a_step_on_a_filled_batch_is_that_of_a_smaller_batch() -> None:
    import keras

    inputs = inputs_of("cnn")
    wanted = candidate("cnn", ROWS)
    made = wanted.architecture
    assert isinstance(made, KerasArchitecture)
    shape = type(wanted.shape)(wanted.shape.vocabulary, inputs.width, 2)
    filled = batches_of(inputs, seed=None).batch(6)
    small = inputs.take(np.array([48, 49])), ROWS.labels[48:]
    weights = []
    for batch in (filled, small):
        keras.utils.set_random_seed(1)
        model = made.build(wanted.hyperparameters, shape)
        model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", jit_compile=False)
        model.train_on_batch(*batch)
        weights.append(model.get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_what_is_held_is_bounded() -> None:
    assert module._HELD <= 256 << 20
