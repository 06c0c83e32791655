"""Fit networks with Keras on the engine named in the pipeline file."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_matrix

from textclf.artifact import network_scores
from textclf.common import console
from textclf.common.arrays import Float32, Int32
from textclf.errors import UsageError
from textclf.kernels.padding import pad
from textclf.models import InputShape, KerasArchitecture
from textclf.text.encoder import Encoder
from textclf.text.pretrained import Embeddings, load_embeddings
from textclf.training.batches import Batches, Counts, Inputs, Sequences, keras_dataset
from textclf.training.early_stopping import EarlyStopping
from textclf.training.jax.compilation_cache import keep_compilations
from textclf.training.jax.train_loop import assign, drawn
from textclf.training.settings import FitSettings

_BATCH = 512  # validation rows per call
_AT_ONCE = 1 << 16  # texts that are encoded at once for scoring
_COMPILED = 8  # networks kept for the next fit of the same shape
_STEPS_AT_ONCE = 32  # training steps per call into the engine, since a call costs more than a small step


def use_keras_backend(name: str) -> None:
    """Make Keras run on ``tensorflow`` or ``jax`` in this process; the choice is final.

    Raises:
        UsageError: Keras already runs on another engine.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = name
        return
    import keras

    if keras.backend.backend() != name:
        raise UsageError(
            "Keras already runs on another engine in this process.",
            received=f"keras_backend {name}",
            expected=keras.backend.backend(),
            fix="choose the engine before keras is imported, or start a new process",
        )


@dataclass(frozen=True)
class Network:
    """Description of a network: architecture, hyperparameters, encoder of texts and sizes."""

    made: KerasArchitecture
    hyperparameters: Any
    encoder: Encoder
    shape: InputShape

    def inputs(self, texts: pa.Array, length: int) -> Int32 | csr_matrix:
        """Encode texts as the graph's input: counts, or sequences of ``length`` tokens."""
        if self.made.features == "counts":
            return self.encoder.counts(texts)[0]
        return pad(*self.encoder.ragged(texts), length)

    def training_inputs(self, texts: pa.Array) -> Inputs:
        """Encode training texts at the shortest length that gives the same scores and gradients as ``max_length``.

        On JAX a fit is the same at both lengths. On TensorFlow it differs if padding takes part in a maximum: Keras
        squares the gradient of each position separately, so that a vector that occurs at several positions seems
        steadier to Adam than it is.
        """
        padding, full = self.made.padding(self.hyperparameters), self.shape.max_length
        if self.made.features == "counts":
            return Counts(self.encoder.counts(texts)[0])
        flat, offsets = self.encoder.ragged(texts)
        length = full if padding is None else min(int(np.diff(offsets).max(initial=1)) + padding, full)
        return Sequences(flat, offsets, length)

    def pretrained(self) -> Embeddings | None:
        """Load the pretrained vectors of the embeddings; None if none are configured.

        Raises:
            UsageError: The vectors do not have the width of the embedding.
        """
        spec = getattr(self.hyperparameters, "pretrained", None)
        if spec is None:
            return None
        found = load_embeddings(spec, self.encoder.vocabulary, self.encoder.num_words)
        if found.matrix.shape[1] != self.hyperparameters.embedding_dim:
            raise UsageError(
                "The pretrained vectors do not have the width of the embedding.",
                received=f"embedding_dim={self.hyperparameters.embedding_dim}, {spec} of {found.matrix.shape[1]}",
                expected=f"embedding_dim={found.matrix.shape[1]}",
            )
        return found

    def weigh(self, model: Any) -> float | None:
        """Set the embeddings' pretrained vectors; return the share of words with one, None if none are configured."""
        found = self.pretrained()
        if found is None:
            return None
        for layer in model.layers:
            if layer.name in ("embedding", "static_embedding"):
                layer.set_weights([found.matrix])
        return found.coverage


def fit_network(
    network: Network,
    texts: pa.Array,
    labels: Int32,
    settings: FitSettings,
    log: Path | None,
    training_rows: int | None = None,
) -> tuple[list[Float32], dict[str, list[float]], float | None]:
    """Fit a network; the same seed gives the same weights on the same machine and engine.

    Args:
        network: The network.
        texts: Texts, shape (n,).
        labels: Index of each text's label, shape (n,).
        settings: Settings of the fit.
        log: CSV file for the measures of each epoch; None for no file.
        training_rows: Number of training rows, which come first; the others are validation rows. By default the
            validation rows are drawn as the settings say.

    Returns:
        Weights, measures of each epoch, and the coverage of pretrained vectors.
    """

    prepare_engine()
    if training_rows is None:
        train, held = _held_back(labels, network.shape.labels, settings)
    else:
        train, held = np.arange(training_rows), np.arange(training_rows, len(labels))
    inputs = network.training_inputs(texts)
    with _progress(network.made.name, settings) as callback:
        model, measured, coverage = fit_rows(network, inputs, labels, train, held, settings, callback, log)
    return model.get_weights(), measured, coverage


def fit_rows(
    network: Network,
    inputs: Inputs,
    labels: Int32,
    train: npt.NDArray[Any],
    held: npt.NDArray[Any],
    settings: FitSettings,
    callback: Any,
    log: Path | None = None,
) -> tuple[Any, dict[str, list[float]], float | None]:
    """Fit with Keras' own loop.

    Args:
        network: The network.
        inputs: Inputs of all rows.
        labels: Labels of all rows, shape (n,).
        train: Numbers of the training rows.
        held: Numbers of the validation rows; may be empty.
        settings: Settings of the fit.
        callback: Keras callback, beside those that the settings ask for.
        log: CSV file for the measures of each epoch; None for no file.

    Returns:
        The fitted ``keras.Model``, the measures of each epoch, and the coverage of pretrained vectors.
    """
    import keras

    weights = row_weights(labels, train, settings)
    counts = [-(-len(train) // size) for epochs, size in settings.stretches for _ in epochs]
    model = _fresh(network, inputs.width, settings, counts)
    coverage = network.weigh(model)
    rows: Batches  # of the current epoch
    validation = keras_dataset(Batches(inputs, labels, held, None, _BATCH, None)) if len(held) else None
    shuffle = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: rows.begin(epoch))
    run = _one_run(model, [shuffle, callback, *_callbacks(settings, log, validated=len(held) > 0)], settings.epochs)
    for epochs, size in settings.stretches:
        rows = Batches(inputs, labels, train, weights, size, settings.seed)
        history = model.fit(
            keras_dataset(rows),
            initial_epoch=epochs.start,
            epochs=epochs.stop,
            validation_data=validation,
            shuffle=False,  # the batches shuffle
            callbacks=run,
            verbose=0,
        ).history
        if model.stop_training:
            break
    run.end()
    return model, {name: [float(value) for value in values] for name, values in history.items()}, coverage


def predictor(network: Network, weights: list[Float32]) -> Callable[[pa.Array], Float32]:
    """Return the function from texts to probabilities, shape (n, labels), which builds the network on first use."""

    @cache
    def model() -> Any:
        built = _graph(network.made, network.hyperparameters, network.shape)
        built.set_weights(weights)
        built.compile(jit_compile=False)  # TensorFlow takes longer to compile than to score the test rows
        return built

    def predict(texts: pa.Array) -> Float32:
        parts = (texts.slice(start, _AT_ONCE) for start in range(0, max(len(texts), 1), _AT_ONCE))
        return np.concatenate(
            [network_scores(model(), network.inputs(part, network.shape.max_length)) for part in parts]
        )

    return predict


def prepare_engine() -> None:
    """Make TensorFlow deterministic, or let JAX use the programs that earlier processes compiled."""
    if not on_jax():
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    else:
        keep_compilations()


def on_jax() -> bool:
    """Whether Keras runs on JAX in this process, or will do so; avoids importing Keras, which takes seconds."""
    if "keras" not in sys.modules and (chosen := os.environ.get("KERAS_BACKEND")):
        return chosen == "jax"
    import keras

    return bool(keras.backend.backend() == "jax")


def _graph(made: KerasArchitecture, hyperparameters: Any, shape: InputShape) -> Any:
    """Build a network whose weights are set later; on JAX in one program, since Keras compiles one for each shape."""

    def build() -> Any:
        return made.build(hyperparameters, shape)

    return drawn(build, 0)[0] if on_jax() else build()


def _fresh(network: Network, length: int, settings: FitSettings, steps: list[int]) -> Any:
    """Return a compiled network with initial weights by the settings' seed and a reset optimizer.

    Args:
        network: The network.
        length: Width of the inputs.
        settings: Settings of the fit.
        steps: Number of steps in each epoch.
    """
    import keras

    shape = replace(network.shape, max_length=length)
    at_once = min(*steps, _STEPS_AT_ONCE)
    compiled = _compiled(
        network.made, network.hyperparameters, shape, settings.learning_rate, settings.schedule,
        sum(steps) if settings.schedule == "cosine" else 0, at_once,
    )  # fmt: skip
    # A new graph draws the initial weights, and the compiled one keeps its trace. The seed is set only now, so that a
    # fit does not depend on whether the compiled network was in the cache.
    if on_jax():
        assign(compiled, drawn(lambda: network.made.build(network.hyperparameters, shape), settings.seed)[1])
    else:
        keras.utils.set_random_seed(settings.seed)
        compiled.set_weights(network.made.build(network.hyperparameters, shape).get_weights())
        for layer in compiled.layers:
            if generator := getattr(layer, "seed_generator", None):
                generator.state.assign(np.array([settings.seed & 0xFFFFFFFF, 0], generator.state.dtype))
    for variable in compiled.optimizer.variables:
        if variable.path.split("/")[-1] == "learning_rate":
            variable.assign(settings.learning_rate)
        else:
            variable.assign(np.zeros(variable.shape, variable.dtype))
    return compiled


@lru_cache(maxsize=_COMPILED)
def _compiled(
    made: KerasArchitecture,
    hyperparameters: Any,
    shape: InputShape,
    learning_rate: float,
    schedule: str,
    decay_steps: int,
    at_once: int,
) -> Any:
    import keras

    rate = keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps) if schedule == "cosine" else learning_rate
    model = _graph(made, hyperparameters, shape)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="binary_crossentropy" if shape.outputs == 1 else "sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],  # leaves out the rows that fill up the last batch
        steps_per_execution=at_once,
        # JAX always runs on XLA; with TensorFlow, compiling takes longer than training a small network.
        jit_compile=keras.backend.backend() == "jax",
    )
    model.optimizer.build(model.trainable_variables)
    return model


def _held_back(labels: Int32, n_labels: int, settings: FitSettings) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Split rows into training and validation rows, both in order, with the same share of each label held out."""
    held: list[Any] = []
    generator = np.random.default_rng(settings.seed)
    for label in range(n_labels if settings.validation_size else 0):
        rows = np.flatnonzero(labels == label)
        # At least one row of each label stays in training.
        count = min(round(len(rows) * settings.validation_size), len(rows) - 1)
        held.extend(generator.permutation(rows)[: max(count, 0)])
    mask = np.zeros(len(labels), np.bool_)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def row_weights(labels: Int32, train: npt.NDArray[Any], settings: FitSettings) -> Float32 | None:
    """Return the weight of each row's label among the training rows, shape (n,); None if all are equal."""
    if settings.class_weights == "equal":
        return None
    found, counts = np.unique(labels[train], return_counts=True)
    weights = np.zeros(found.max() + 1, np.float32)
    weights[found] = len(train) / (len(found) * counts)
    return weights[labels]


def _callbacks(settings: FitSettings, log: Path | None, *, validated: bool) -> list[Any]:
    import keras

    watched = "val_loss" if validated else "loss"
    chosen = []
    if settings.patience is not None:
        chosen.append(_keep_best(watched, EarlyStopping(settings.patience)))
    if settings.schedule == "plateau":
        chosen.append(keras.callbacks.ReduceLROnPlateau(watched, factor=0.5, patience=2))
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        chosen.append(keras.callbacks.CSVLogger(str(log)))
    return chosen


def _keep_best(watched: str, stopping: EarlyStopping) -> Any:
    """Make a callback that ends the fit early and restores the weights of the best epoch."""
    import keras

    class KeepBest(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:  # noqa: ARG002 - Keras' signature
            if stopping.add(logs[watched]):
                self._best = self.model.get_weights()
            if stopping.due:
                self.model.stop_training = True

        def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras' signature
            self.model.set_weights(self._best)

    return KeepBest()


def _one_run(model: Any, callbacks: list[Any], epochs: int) -> Any:
    """Make callbacks see one run although Keras' loop starts again for each batch size; call ``end`` after the last."""
    import keras

    class OneRun(keras.callbacks.CallbackList):  # type: ignore[misc]  # keras has no types
        def __init__(self) -> None:
            super().__init__(callbacks, add_history=True, model=model, epochs=epochs, verbose=0)
            self._begun = False

        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            if not self._begun:
                super().on_train_begin(logs)
            self._begun = True

        def on_train_end(self, logs: dict[str, float] | None = None) -> None:
            self._logs = logs

        def end(self) -> None:
            super().on_train_end(self._logs)

    return OneRun()


@contextmanager
def _progress(name: str, settings: FitSettings) -> Iterator[Any]:
    """Yield a callback that shows epochs on the line of the step, which has one of its own where none runs."""
    import keras

    with console.inner_step(f"fit {name}") as step:
        step.update(0, settings.epochs, unit="epochs")

        def show(_epoch: int, logs: dict[str, float]) -> None:
            note = ", ".join(f"{key.replace('_', ' ')} {value:.4f}" for key, value in logs.items())
            step.update((step.done or 0) + 1, note=note)

        yield keras.callbacks.LambdaCallback(on_epoch_end=show)
