"""Fit a network on some rows of a source and watch it on others, epoch by epoch."""

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tqdm import tqdm

from textclf.models import InputShape
from textclf.training.batches import Inputs, Sequences
from textclf.training.network import Network, Told, fit_rows, prepare_engine, row_weights
from textclf.training.settings import FitSettings
from textclf.training.steps import Fitting, bucket, steps_of

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
History = dict[str, list[float]]
_HELD = 128 << 20  # bytes of padded sequences that the compiled steps choose their rows from
_PLATEAU = 2  # epochs without a better loss before the rate is halved


class DivergedError(ArithmeticError):
    """The loss of a fit is no finite number."""


@dataclass(frozen=True)
class Watched:
    """A fit that has ended.

    Attributes:
        history: ``loss`` and ``accuracy`` on the training rows after each epoch, with rows held out ``val_loss`` and
            ``val_accuracy`` on them too.
        weights: The tensors in the order of the graph: those at the end, with ``settings.patience`` those of the epoch
            with the lowest loss.
        coverage: Share of the words that have a pretrained vector; None without any.
    """

    history: History
    weights: Callable[[], list[Floats]]
    coverage: float | None


def _on_jax() -> bool:
    import keras

    return bool(keras.backend.backend() == "jax")


def input_length(network: Network, longest: int) -> int:
    """Length of sequences that gives the scores of ``max_length``, rounded up so that sources share a shape.

    Args:
        longest: Tokens of the longest text.
    """
    padding, full = network.made.padding(network.hyperparameters), network.shape.max_length
    return full if padding is None else min(bucket(max(longest, 1) + padding), full)


def fit_network(
    network: Network,
    texts: pa.Array,
    labels: Labels,
    settings: FitSettings,
    log: Path | None,
    training_rows: int | None = None,
) -> Watched:
    """Fit on texts, with progress on standard error: standard output belongs to the run record.

    The same seed gives the same weights on the same machine and engine. The rows after the first ``training_rows``
    validate; by default the settings say which.

    Raises:
        DivergedError: The loss became infinite or no number.
    """
    if training_rows is None:
        train, held = _held_back(labels, network.shape.labels, settings)
    else:
        train, held = np.arange(training_rows), np.arange(training_rows, len(labels))
    inputs = network.training_inputs(texts)
    if _on_jax() and isinstance(inputs, Sequences):
        inputs = replace(inputs, length=input_length(network, int(np.diff(inputs.offsets).max(initial=1))))
    with tqdm(total=settings.epochs, desc=network.made.name, unit="epoch", file=sys.stderr) as bar:

        def show(measured: Mapping[str, float]) -> None:
            bar.set_postfix({key: f"{value:.4f}" for key, value in measured.items()}, refresh=False)
            bar.update()

        return fit_watched(network, inputs, labels, train, held, settings, show, log)


def _held_back(labels: Labels, n_labels: int, settings: FitSettings) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Rows to train on and rows to validate with, both in order; the same share of each label is held back."""
    held: list[Any] = []
    generator = np.random.default_rng(settings.seed)
    for label in range(n_labels if settings.validation_size else 0):
        rows = np.flatnonzero(labels == label)
        # One row of a label at least stays to learn from.
        count = min(round(len(rows) * settings.validation_size), len(rows) - 1)
        held.extend(generator.permutation(rows)[: max(count, 0)])
    mask = np.zeros(len(labels), np.bool_)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def fit_watched(
    network: Network,
    inputs: Inputs,
    labels: Labels,
    train: Rows,
    held: Rows,
    settings: FitSettings,
    told: Told = lambda _: None,
    log: Path | None = None,
) -> Watched:
    """Fit on the rows ``train`` and measure on the rows ``held``, if there are any, after each epoch.

    The held rows do not change the weights; they end the fit early only where ``settings.patience`` says so.

    Args:
        inputs: Of all rows of the source.
        labels: Of all rows.
        told: Called after each epoch.
        log: CSV file for what each epoch measured.

    Raises:
        DivergedError: The loss became infinite or no number.
    """
    prepare_engine()
    if _on_jax() and isinstance(inputs, Sequences) and 4 * len(inputs) * inputs.width <= _HELD:
        with _logged(log) as write:

            def both(measured: Mapping[str, float]) -> None:
                write(measured)
                told(measured)

            return _with_steps(network, inputs, labels, train, held, settings, both)
    model, history, coverage = fit_rows(network, inputs, labels, train, held, settings, told, log)
    found = {name: values for name, values in history.items() if name != "learning_rate"}
    _check_finite(found)
    return Watched(found, model.get_weights, coverage)


@contextmanager
def _logged(path: Path | None) -> Iterator[Told]:
    """Writes what each epoch measured as Keras' CSVLogger does."""
    if path is None:
        yield lambda _: None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        yield _csv(file)


def _csv(file: TextIO) -> Told:
    rows: list[csv.DictWriter[str]] = []
    epochs = iter(range(1 << 30))

    def write(measured: Mapping[str, float]) -> None:
        if not rows:
            rows.append(csv.DictWriter(file, ["epoch", *sorted(measured)]))
            rows[0].writeheader()
        rows[0].writerow({"epoch": next(epochs), **measured})
        file.flush()

    return write


def _with_steps(
    network: Network, inputs: Sequences, labels: Labels, train: Rows, held: Rows, settings: FitSettings, told: Told
) -> Watched:
    fitting, coverage = _begin(network, inputs, labels, settings)
    weights_of = row_weights(labels, train, settings)
    balance = np.ones(network.shape.labels, np.float32)
    if weights_of is not None:
        balance[labels] = weights_of
    history: History = {}
    best: list[Floats] | None = None
    for epoch in range(settings.epochs):
        measured = dict(zip(("loss", "accuracy"), fitting.epoch(train, balance, epoch), strict=True))
        if len(held):
            measured |= dict(zip(("val_loss", "val_accuracy"), fitting.watch(held), strict=True))
        for name, value in measured.items():
            history.setdefault(name, []).append(value)
        told(measured)
        _check_finite(history)
        watched = history.get("val_loss", history["loss"])
        since = len(watched) - 1 - int(np.argmin(watched))
        if settings.patience is not None:
            best = fitting.weights() if not since else best
            if since >= settings.patience:
                break
        if settings.schedule == "plateau" and since and since % _PLATEAU == 0:
            fitting.rate /= 2
    wanted = network.made.tensors(network.hyperparameters, network.shape).values()

    def weights() -> list[Floats]:
        found = fitting.weights() if best is None else best
        return [
            np.ascontiguousarray(weight[tuple(slice(0, size) for size in shape)])
            for weight, shape in zip(found, wanted, strict=True)
        ]

    return Watched(history, weights, coverage)


def _begin(network: Network, inputs: Sequences, labels: Labels, settings: FitSettings) -> tuple[Fitting, float | None]:
    """A fit that has not begun, at sizes that it shares with others, and the coverage of pretrained vectors."""
    import jax.numpy as jnp

    # The words beyond the vocabulary are never met: their vectors get no gradient and are cut off again.
    shape = InputShape(bucket(network.shape.vocabulary), inputs.width, network.shape.labels)
    rows = bucket(len(labels))
    padded = np.zeros((rows, inputs.width), np.int32)
    padded[: len(labels)] = inputs.take(np.arange(len(labels)))
    numbers = np.zeros(rows, np.int32)
    numbers[: len(labels)] = labels
    steps = steps_of(network.made, network.hyperparameters, shape, settings.batch_size, settings.seed)
    wide = replace(network, shape=shape)
    coverage: list[float | None] = []
    fitting = Fitting(
        steps, jnp.array(padded), jnp.array(numbers), settings, lambda model: coverage.append(_weigh(wide, model))
    )
    return fitting, coverage[0]


def _weigh(network: Network, model: Any) -> float | None:
    """Pretrained vectors for the words that there are, zeros for those that only fill the shape; their coverage."""
    if getattr(network.hyperparameters, "pretrained", None) is None:
        return None
    true = network.encoder.vocabulary.size(network.encoder.num_words)
    small = network.made.build(network.hyperparameters, replace(network.shape, vocabulary=true))
    coverage = network.weigh(small)
    for layer, filled in zip(model.layers, small.layers, strict=True):
        if layer.name in ("embedding", "static_embedding"):
            matrix = np.zeros(layer.get_weights()[0].shape, np.float32)
            matrix[:true] = filled.get_weights()[0]
            layer.set_weights([matrix])
    return coverage


def _check_finite(history: History) -> None:
    for name in ("loss", "val_loss"):
        values = history.get(name, [])
        if not np.isfinite(values).all():
            epoch = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
            raise DivergedError(f"{name} is {values[epoch - 1]} after epoch {epoch}")
