"""Fits of networks on tiny texts, without Spark."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.factories.corpora import invented
from tests.factories.networks import (
    MODELS,
    NETWORKS,
    SIX,
    TWO,
    VECTORS,
    candidate,
    learned,
    network_of,
    packed,
    rows_of,
    same,
)  # fmt: skip
from tests.processes import run_module
from textclf.artifact import ModelStore, network_scores
from textclf.errors import UsageError
from textclf.models import ARCHITECTURES, KerasArchitecture, architecture
from textclf.text.pretrained import load_embeddings
from textclf.training.fit import ModelSpec, fit
from textclf.training.keras_trainer import use_keras_backend
from textclf.training.settings import FitSettings

LEARNED = [(name, labels) for name in MODELS for labels in (TWO, SIX)]
QUICK = [(name, labels) for name, labels in LEARNED if name in ARCHITECTURES or labels == TWO]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        pytest.param(*each, marks=() if each in QUICK else pytest.mark.long, id=f"{each[0]}-{len(each[1])} labels")
        for each in LEARNED
    ],
)
def test_every_architecture_learns_and_repeats_itself(name: str, labels: tuple[str, ...]) -> None:
    wanted, rows, first = learned(name, labels)

    assert same(first, fit(wanted, rows))
    if isinstance(wanted.architecture, KerasArchitecture):
        assert first.history["loss"][-1] < first.history["loss"][0]
    scores = first.predict(rows.texts)
    assert scores.shape == (96, len(labels))
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert np.mean(scores.argmax(axis=1) == rows.labels) > 1 / len(labels)


def test_a_new_process_scores_with_every_architecture_as_the_fit_did(tmp_path: Path) -> None:
    store = ModelStore(str(tmp_path))
    texts = ["", "   ", "zzzqqq", "the GOOD food", "good bad " * 500, *learned("cnn", TWO)[1].texts.to_pylist()[:20]]
    for name, labels in QUICK:
        wanted, _, fitted = learned(name, labels)
        store.save(packed(f"{name}{len(labels)}", wanted, fitted, labels, texts))

    done = run_module("tests.training.golden_scores_process", tmp_path)

    found = json.loads(done.stdout.strip().rpartition("\n")[2])
    assert sorted(found) == sorted(f"{name}{len(labels)}" for name, labels in QUICK)
    assert {name: worst for name, worst in found.items() if not worst < 1e-6} == {}


def test_another_seed_gives_other_weights() -> None:
    rows = rows_of(invented(48))

    assert not same(fit(candidate("cnn", rows), rows), fit(candidate("cnn", rows, seed=4), rows))


@pytest.mark.parametrize("name", [name for name in NETWORKS if ARCHITECTURES[name].features == "sequences"])
def test_cropping_changes_no_score(name: str) -> None:
    rows = rows_of(invented(40))
    wanted = candidate(name, rows)
    network = network_of(wanted)
    made = network.made
    full = made.build(wanted.hyperparameters, wanted.shape)
    inputs = network.training_inputs(rows.texts)
    length = inputs.width
    if made.padding(wanted.hyperparameters) is None:
        assert length == wanted.shape.max_length
        return
    assert length < wanted.shape.max_length
    short = made.build(wanted.hyperparameters, type(wanted.shape)(wanted.shape.vocabulary, length, 2))
    short.set_weights(full.get_weights())

    expected = network_scores(full, network.inputs(rows.texts, wanted.shape.max_length))

    np.testing.assert_allclose(network_scores(short, inputs.take(np.arange(40))), expected, atol=1e-6)


def test_cropping_below_the_kernel_would_change_scores() -> None:
    """Shows that padding can change scores, so that the test above is meaningful."""
    rows = rows_of([("a b c", "0"), ("d e f", "1")])
    wanted = candidate("embedding_max_pooling", rows)
    network = network_of(wanted)
    made = network.made
    full = made.build(wanted.hyperparameters, wanted.shape)
    bare = made.build(wanted.hyperparameters, type(wanted.shape)(wanted.shape.vocabulary, 3, 2))
    weights = full.get_weights()
    weights[0][0] = 1.0  # padding outweighs every word
    full.set_weights(weights)
    bare.set_weights(weights)

    full_scores = network_scores(full, network.inputs(rows.texts, 30))
    bare_scores = network_scores(bare, network.inputs(rows.texts, 3))

    assert np.abs(full_scores - bare_scores).max() > 1e-4


CROPPED = [name for name in NETWORKS if ARCHITECTURES[name].padding(architecture(name).parse({})) is not None]


@pytest.mark.parametrize("name", CROPPED)
def test_cropping_changes_no_gradient(name: str) -> None:
    import tensorflow as tf

    rows = rows_of(invented(40))
    wanted = candidate(name, rows)
    network = network_of(wanted)
    made = network.made
    inputs = network.training_inputs(rows.texts)
    full = made.build(wanted.hyperparameters, wanted.shape)
    short = made.build(wanted.hyperparameters, type(wanted.shape)(wanted.shape.vocabulary, inputs.width, 2))
    short.set_weights(full.get_weights())

    def gradients(model: Any, sequences: Any) -> list[npt.NDArray[np.float32]]:
        with tf.GradientTape() as tape:
            chances = model(sequences, training=False)[:, 0]
            loss = -tf.reduce_mean(tf.math.log(tf.where(rows.labels == 1, chances, 1 - chances)))
        return [tf.convert_to_tensor(found).numpy() for found in tape.gradient(loss, model.trainable_variables)]

    whole = gradients(full, network.inputs(rows.texts, wanted.shape.max_length))
    for cropped, expected in zip(gradients(short, inputs.take(np.arange(40))), whole, strict=True):
        np.testing.assert_allclose(cropped, expected, atol=1e-6)


def test_cropping_changes_no_fit_where_padding_has_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(invented(40))
    wanted = candidate("embedding_average_pooling", rows, epochs=3, validation_size=0.25)

    cropped = fit(wanted, rows).history
    monkeypatch.setattr(type(wanted.architecture), "padding", lambda *_: None)
    whole = fit(wanted, rows).history

    assert set(cropped) == set(whole) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for measure, values in whole.items():
        np.testing.assert_allclose(cropped[measure], values, rtol=1e-5, err_msg=measure)


def test_early_stopping_keeps_the_best_weights() -> None:
    noise = [(text, "01"[number * 5 % 7 % 2]) for number, (text, _) in enumerate(invented(80))]
    rows = rows_of(noise)
    settings: dict[str, Any] = {"validation_size": 0.25, "learning_rate": 0.05}

    result = fit(candidate("cnn", rows, epochs=60, patience=2, **settings), rows)

    losses = result.history["val_loss"]
    assert len(losses) < 60
    assert min(losses) == losses[-3]
    best = fit(candidate("cnn", rows, epochs=len(losses) - 2, **settings), rows)
    assert best.history["val_loss"] == losses[:-2]
    assert same(result, best)


def test_validation_rows_do_not_train() -> None:
    rows = rows_of(invented(48))

    assert not same(fit(candidate("cnn", rows), rows), fit(candidate("cnn", rows, validation_size=0.25), rows))


def test_watched_rows_are_measured_and_change_nothing() -> None:
    rows, others = rows_of(invented(48)), rows_of(invented(60)[48:])
    wanted = candidate("cnn", rows, epochs=3)

    watched = fit(wanted, rows, watched=others)

    assert same(watched, fit(wanted, rows))
    right = watched.predict(others.texts).argmax(axis=1) == others.labels
    assert watched.history["val_accuracy"][-1] == pytest.approx(right.mean())


def test_class_weights_lift_the_rare_label() -> None:
    pairs = invented(96)
    rare = rows_of([pair for number, pair in enumerate(pairs) if pair[1] == "0" or number % 12 == 1] + pairs[1:2])
    settings: dict[str, Any] = {"epochs": 2, "learning_rate": 0.002}

    equal = fit(candidate("embedding_average_pooling", rare, **settings), rare).predict(rare.texts)
    balanced = fit(candidate("embedding_average_pooling", rare, class_weights="balanced", **settings), rare).predict(
        rare.texts
    )

    assert balanced[:, 1].mean() > equal[:, 1].mean()


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_a_schedule_changes_the_fit_and_repeats_itself(schedule: str) -> None:
    rows = rows_of(invented(48))
    wanted = candidate("embedding_average_pooling", rows, schedule=schedule, epochs=12, learning_rate=0.05)

    first = fit(wanted, rows)

    assert same(first, fit(wanted, rows))
    assert first.history["loss"][-1] < first.history["loss"][0]


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": "cosine"},
        {"schedule": "plateau", "learning_rate": 0.05},
        {"validation_size": 0.25, "patience": 3, "learning_rate": 0.1},
    ],
    ids=["cosine", "plateau", "patience"],
)
def test_a_fit_goes_on_across_a_change_of_its_batch_size(settings: dict[str, Any]) -> None:
    """A change to the same size has no effect: schedule, optimizer and patience keep their state."""
    rows = rows_of([(text, "01"[number * 5 % 7 % 2]) for number, (text, _) in enumerate(invented(60))])

    once = fit(candidate("cnn", rows, **settings), rows)
    twice = fit(candidate("cnn", rows, batch_size=(8, 8, 8), **settings), rows)
    mixed = fit(candidate("cnn", rows, batch_size=(8, 20, 20), **settings), rows)

    assert twice.history == once.history
    assert same(once, twice)
    assert mixed.history != once.history
    assert mixed.history["loss"][:3] == once.history["loss"][:3] or settings.get("schedule") == "cosine"


@pytest.mark.parametrize(
    ("given", "read"), [(np.int64(16), 16), (16.0, 16), ("16", 16), ("8, 32", (8, 32)), ([np.int32(8), 32], (8, 32))]
)
def test_batch_sizes_come_as_searches_and_command_lines_have_them(given: Any, read: int | tuple[int, ...]) -> None:
    assert FitSettings(epochs=2, seed=1, batch_size=given).batch_size == read


def test_epochs_go_to_a_log(tmp_path: Path) -> None:
    rows = rows_of(invented(24))

    fit(candidate("embedding_average_pooling", rows, epochs=3, batch_size=(4, 8)), rows, tmp_path / "logs" / "fit.csv")

    with (tmp_path / "logs" / "fit.csv").open(encoding="utf-8") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1", "2"]


def test_frozen_pretrained_vectors_stay() -> None:
    rows = rows_of(invented(24))
    given = {"pretrained": VECTORS, "embedding_dim": 8}
    wanted = candidate("embedding_max_pooling", rows, given | {"train_embedding": False}, epochs=2)

    frozen = fit(wanted, rows)
    trained = fit(candidate("embedding_max_pooling", rows, given, epochs=2), rows)

    expected = given_vectors(wanted)
    assert frozen.coverage == 4 / len(expected)  # good, bad, the and food
    np.testing.assert_array_equal(frozen.weights["embedding.embeddings"], expected)
    assert not np.array_equal(trained.weights["embedding.embeddings"], expected)


def given_vectors(wanted: ModelSpec) -> npt.NDArray[np.float32]:
    """Return the pretrained embedding of a candidate."""
    return load_embeddings(VECTORS, wanted.encoder.vocabulary, wanted.encoder.num_words).matrix


def test_of_two_channels_one_learns_and_a_static_channel_does_not() -> None:
    wanted, _, two = learned("kim_cnn_two_channels", TWO)
    _, _, static = learned("kim_cnn_static", TWO)

    expected = given_vectors(wanted)
    np.testing.assert_array_equal(two.weights["static_embedding.embeddings"], expected)
    np.testing.assert_array_equal(static.weights["embedding.embeddings"], expected)
    assert not np.array_equal(two.weights["embedding.embeddings"], expected)


def test_output_weights_are_scaled_back_to_their_longest_norm() -> None:
    rows = rows_of(invented(48, SIX))

    fitted = fit(candidate("kim_cnn", rows, {"max_norm": 0.1}, epochs=2, learning_rate=0.5), rows)

    norms = np.linalg.norm(fitted.weights["output.kernel"], axis=0)
    assert norms.shape == (6,)
    assert (norms <= 0.1 + 1e-6).all()
    assert norms.max() == pytest.approx(0.1)  # the limit is reached, so it is in effect


def test_pretrained_vectors_of_another_width_are_refused() -> None:
    rows = rows_of(invented(24))

    with pytest.raises(UsageError, match="expected: embedding_dim=8"):
        fit(candidate("cnn", rows, {"pretrained": VECTORS, "embedding_dim": 4}), rows)


def test_freezing_random_vectors_is_refused() -> None:
    with pytest.raises(UsageError, match="would freeze random vectors"):
        architecture("cnn").parse({"train_embedding": "false"})


def test_the_engine_is_chosen_once() -> None:
    import keras

    use_keras_backend(keras.backend.backend())
    with pytest.raises(UsageError, match="start a new process"):
        use_keras_backend("jax" if keras.backend.backend() == "tensorflow" else "tensorflow")
