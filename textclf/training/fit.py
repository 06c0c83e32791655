"""Fit an architecture on training rows: tensors out, by the architecture's names."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tqdm import tqdm

from textclf.artifact.artifact import Weights
from textclf.models import Architecture, InputShape, KerasArchitecture, label_probabilities
from textclf.models.logistic_regression import LogisticRegression
from textclf.text.encoder import Encoder
from textclf.training.data import Rows
from textclf.training.settings import FitSettings

_BATCH = 512  # rows of one call of a network that only predicts: bounds the memory of its activations


@dataclass(frozen=True)
class Candidate:
    """All that says which model a fit on given rows makes."""

    architecture: Architecture
    hyperparameters: Any
    encoder: Encoder
    n_labels: int
    settings: FitSettings

    @property
    def shape(self) -> InputShape:
        """Sizes of the model's input and output."""
        return InputShape(self.encoder.vocabulary.size(self.encoder.num_words), self.encoder.max_length, self.n_labels)


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes:
        weights: Tensors by the architecture's names.
        history: Loss and accuracy on the training rows after each epoch; empty without epochs.
        predict: Probabilities of texts, shape (n, labels), by the library that fitted the model.
    """

    weights: Weights
    history: dict[str, list[float]]
    predict: Callable[[pa.Array], npt.NDArray[np.float32]]


def fit(candidate: Candidate, rows: Rows) -> Fit:
    """Fit on ``rows``; the same seed gives the same tensors on the same machine.

    Every label must occur in ``rows``.
    """
    if isinstance(candidate.architecture, KerasArchitecture):
        return _fit_keras(candidate.architecture, candidate, rows)
    if isinstance(candidate.architecture, LogisticRegression):
        return _fit_logistic_regression(candidate, rows)
    raise TypeError(f"no way to fit {candidate.architecture.name}")


def _fit_logistic_regression(candidate: Candidate, rows: Rows) -> Fit:
    from sklearn.linear_model import LogisticRegression as Estimator

    wanted, encoder = candidate.hyperparameters, candidate.encoder
    # lbfgs leaves the intercept unpenalised, as liblinear does not; the published accuracies come from it.
    model = Estimator(C=wanted.C, max_iter=wanted.max_iter, solver="lbfgs", random_state=candidate.settings.seed)
    model.fit(encoder.counts(rows.texts)[0], rows.labels)

    def predict(texts: pa.Array) -> npt.NDArray[np.float32]:
        probabilities: npt.NDArray[np.float32] = model.predict_proba(encoder.counts(texts)[0]).astype(np.float32)
        return probabilities

    return Fit({"output.kernel": model.coef_.T, "output.bias": model.intercept_}, {}, predict)


def _fit_keras(made: KerasArchitecture, candidate: Candidate, rows: Rows) -> Fit:
    import keras

    _seed(candidate.settings.seed)
    model = made.build(candidate.hyperparameters, candidate.shape)
    model.compile(
        optimizer=keras.optimizers.Adam(candidate.settings.learning_rate),
        loss="binary_crossentropy" if candidate.shape.outputs == 1 else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # compiling takes longer than a small network trains
    )
    encoder = candidate.encoder
    history = _run_epochs(model, encoder.sequences(rows.texts)[0], rows.labels, candidate)
    names = made.tensors(candidate.hyperparameters, candidate.shape)

    def predict(texts: pa.Array) -> npt.NDArray[np.float32]:
        return label_probabilities(model.predict(encoder.sequences(texts)[0], batch_size=_BATCH, verbose=0))

    return Fit(dict(zip(names, model.get_weights(), strict=True)), history, predict)


def _run_epochs(
    model: Any, inputs: npt.NDArray[np.int32], labels: npt.NDArray[np.int32], candidate: Candidate
) -> dict[str, list[float]]:
    import keras

    settings = candidate.settings
    # Keras' own progress goes to standard output, which belongs to the run record.
    with tqdm(total=settings.epochs, desc=candidate.architecture.name, unit="epoch", file=sys.stderr) as bar:

        def progress(_epoch: int, logs: dict[str, float]) -> None:
            bar.set_postfix({name: f"{value:.4f}" for name, value in logs.items()}, refresh=False)
            bar.update()

        history = model.fit(
            inputs,
            labels,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=progress)],
        ).history
    return {name: [float(value) for value in values] for name, values in history.items()}


def _seed(seed: int) -> None:
    """Make all that follows in this process repeatable."""
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
