"""Fit a network on some rows of a source and validate it on others after each epoch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textclf.common.arrays import Float32, Int32, Int64
from textclf.training.batches import Inputs, Sequences
from textclf.training.early_stopping import EarlyStopping
from textclf.training.jax.initial_weights import initial_tensors
from textclf.training.jax.ragged.batches import Texts, bucket
from textclf.training.jax.ragged.fit import PackedFitting
from textclf.training.jax.train_loop import Fitting, steps_of
from textclf.training.keras_trainer import Network, fit_rows, on_jax, prepare_engine, row_weights
from textclf.training.settings import FitSettings

History = dict[str, list[float]]
_PLATEAU = 2  # epochs without a better loss before the rate is halved


class DivergedError(ArithmeticError):
    """The loss of a fit is not finite."""


@dataclass(frozen=True)
class Watched:
    """A finished fit.

    Attributes:
        history: ``loss`` and ``accuracy`` on the training rows after each epoch; if rows are held out, also
            ``val_loss`` and ``val_accuracy`` on these.
        weights: Function that returns the final tensors, in the order of the graph.
    """

    history: History
    weights: Callable[[], list[Float32]]


def input_length(network: Network, longest: int) -> int:
    """Return the length of sequences that gives the scores of ``max_length``, rounded up so that sources share a shape.

    Args:
        network: The network.
        longest: Number of tokens in the longest text.
    """
    padding, full = network.made.padding(network.hyperparameters), network.shape.max_length
    return full if padding is None else min(bucket(max(longest, 1) + padding), full)


def fit_watched(
    network: Network,
    inputs: Inputs,
    labels: Int32,
    train: Int64,
    held: Int64,
    settings: FitSettings,
) -> Watched:
    """Fit on the rows ``train`` and measure on the rows ``held`` after each epoch.

    The held-out rows do not change the weights. They end the fit early only if ``settings.patience`` is set.

    Args:
        network: The network.
        inputs: Inputs of all rows of the source.
        labels: Labels of all rows, shape (n,).
        train: Numbers of the training rows.
        held: Numbers of the held-out rows; may be empty.
        settings: Settings of the fit.

    Raises:
        DivergedError: The loss became infinite or NaN.
    """
    prepare_engine()
    if on_jax() and isinstance(inputs, Sequences):
        return _with_steps(network, inputs, labels, train, held, settings)
    return _with_keras(network, inputs, labels, train, held, settings)


def _with_steps(
    network: Network, inputs: Sequences, labels: Int32, train: Int64, held: Int64, settings: FitSettings
) -> Watched:
    weights_of = row_weights(labels, train, settings)
    balance = np.ones(network.shape.labels, np.float32)
    if weights_of is not None:
        balance[labels] = weights_of
    # Words beyond the vocabulary never occur: their vectors get no gradient and are cut off again.
    shape = replace(network.shape, vocabulary=bucket(network.shape.vocabulary))
    windows = network.made.windows(network.hyperparameters, shape)
    fitting: PackedFitting | Fitting
    if windows is not None:
        texts = Texts(inputs.flat, inputs.offsets, labels, balance[labels], shape.max_length, windows.width)
        fitting = PackedFitting(windows, _initial(replace(network, shape=shape), settings), texts, settings)
    else:
        fitting = _padded(
            replace(network, shape=replace(shape, max_length=inputs.width)), inputs, labels, balance, settings
        )
    history = _fit(fitting, train, held, settings)
    tensors = network.made.tensors(network.hyperparameters, network.shape).values()

    def weights() -> list[Float32]:
        return [
            np.ascontiguousarray(weight[tuple(slice(0, size) for size in wanted)])
            for weight, wanted in zip(fitting.weights(), tensors, strict=True)
        ]

    return Watched(history, weights)


def _fit(fitting: PackedFitting | Fitting, train: Int64, held: Int64, settings: FitSettings) -> History:
    """Train all epochs, or until early stopping; return the measures of each."""
    history: History = {}
    stopping = EarlyStopping(settings.patience if len(held) else None)
    for epoch in range(settings.epochs):
        measured = dict(zip(("loss", "accuracy"), fitting.epoch(train, epoch), strict=True))
        if len(held):
            measured |= dict(zip(("val_loss", "val_accuracy"), fitting.watch(held), strict=True))
        for name, value in measured.items():
            history.setdefault(name, []).append(value)
        _check_finite(history)
        stopping.add(measured.get("val_loss", measured["loss"]))
        if stopping.due:
            break
        if settings.schedule == "plateau" and stopping.since and stopping.since % _PLATEAU == 0:
            fitting.rate /= 2
    return history


def _padded(network: Network, inputs: Sequences, labels: Int32, balance: Float32, settings: FitSettings) -> Fitting:
    rows = bucket(len(labels))
    padded = np.zeros((rows, inputs.width), np.int32)
    padded[: len(labels)] = inputs.take(np.arange(len(labels)))
    numbers = np.zeros(rows, np.int32)
    numbers[: len(labels)] = labels
    steps = steps_of(network.made, network.hyperparameters, network.shape, settings.seed)
    return Fitting(steps, padded, numbers, balance, settings, lambda model: _weigh(network, model))


def _initial(network: Network, settings: FitSettings) -> list[Float32]:
    """Return the initial tensors of a fit; beside pretrained vectors, words that only fill the shape get zeros."""
    tensors = list(initial_tensors(network.made, network.hyperparameters, network.shape, settings.seed))
    if (pretrained := network.pretrained()) is not None:
        tensors[0] = np.zeros_like(tensors[0])
        tensors[0][: len(pretrained.matrix)] = pretrained.matrix
    return tensors


def _weigh(network: Network, model: Any) -> None:
    """Set pretrained vectors for the words of the vocabulary, and zeros for words that only fill the shape."""
    if getattr(network.hyperparameters, "pretrained", None) is None:
        return
    true = network.encoder.vocabulary.size(network.encoder.num_words)
    small = network.made.build(network.hyperparameters, replace(network.shape, vocabulary=true))
    network.weigh(small)
    for layer, filled in zip(model.layers, small.layers, strict=True):
        if layer.name in ("embedding", "static_embedding"):
            matrix = np.zeros(layer.get_weights()[0].shape, np.float32)
            matrix[:true] = filled.get_weights()[0]
            layer.set_weights([matrix])


def _with_keras(
    network: Network, inputs: Inputs, labels: Int32, train: Int64, held: Int64, settings: FitSettings
) -> Watched:
    import keras

    model, history, _ = fit_rows(network, inputs, labels, train, held, settings, keras.callbacks.TerminateOnNaN())
    found = {name: values for name, values in history.items() if name != "learning_rate"}
    _check_finite(found)
    return Watched(found, model.get_weights)


def _check_finite(history: History) -> None:
    for name in ("loss", "val_loss"):
        values = history.get(name, [])
        if not np.isfinite(values).all():
            epoch = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
            raise DivergedError(f"{name} is {values[epoch - 1]} after epoch {epoch}")
