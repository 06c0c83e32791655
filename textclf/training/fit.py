"""Fit an architecture on training rows; the result is tensors by the architecture's names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from textclf.artifact.artifact import Weights
from textclf.common.arrays import Float32
from textclf.models import Architecture, InputShape, KerasArchitecture
from textclf.models.logistic_regression import LogisticRegression
from textclf.text.encoder import Encoder
from textclf.training.data import Rows
from textclf.training.keras_trainer import Network, fit_network, predictor
from textclf.training.settings import FitSettings


@dataclass(frozen=True)
class ModelSpec:
    """Everything that determines the model that a fit on given rows makes."""

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
        predict: Function from texts to probabilities, shape (n, labels), by the library that fitted the model.
        coverage: Share of the embedding's rows with a pretrained vector; None without pretrained vectors.
    """

    weights: Weights
    history: dict[str, list[float]]
    predict: Callable[[pa.Array], Float32]
    coverage: float | None = None


def fit(spec: ModelSpec, rows: Rows, log: Path | None = None, watched: Rows | None = None) -> Fit:
    """Fit a model; the same seed gives the same tensors on the same machine.

    Args:
        spec: Architecture, hyperparameters, encoder and settings.
        rows: Training rows; every label must occur among them.
        log: CSV file for the measures of each epoch; None for no file.
        watched: Rows to validate a network on, instead of a share of ``rows``.
    """
    if isinstance(spec.architecture, KerasArchitecture):
        return _fit_keras(spec.architecture, spec, rows, log, watched)
    if isinstance(spec.architecture, LogisticRegression):
        return _fit_logistic_regression(spec, rows)
    raise TypeError(f"no way to fit {spec.architecture.name}")


def _fit_logistic_regression(spec: ModelSpec, rows: Rows) -> Fit:
    from sklearn.linear_model import LogisticRegression as Estimator

    wanted, encoder = spec.hyperparameters, spec.encoder
    # Unlike liblinear, lbfgs does not penalise the intercept; the published accuracies are lbfgs' ones.
    model = Estimator(C=wanted.C, max_iter=wanted.max_iter, solver="lbfgs", random_state=spec.settings.seed)
    model.fit(encoder.counts(rows.texts)[0], rows.labels)

    def predict(texts: pa.Array) -> Float32:
        probabilities: Float32 = model.predict_proba(encoder.counts(texts)[0]).astype(np.float32)
        return probabilities

    return Fit({"output.kernel": model.coef_.T, "output.bias": model.intercept_}, {}, predict)


def _fit_keras(made: KerasArchitecture, spec: ModelSpec, rows: Rows, log: Path | None, watched: Rows | None) -> Fit:
    network = Network(made, spec.hyperparameters, spec.encoder, spec.shape)
    count = len(rows) if watched is not None else None
    if watched is not None:
        rows = Rows(pa.concat_arrays([rows.texts, watched.texts]), np.append(rows.labels, watched.labels))
    weights, history, coverage = fit_network(network, rows.texts, rows.labels, spec.settings, log, count)
    names = made.tensors(spec.hyperparameters, spec.shape)
    return Fit(dict(zip(names, weights, strict=True)), history, predictor(network, weights), coverage)
