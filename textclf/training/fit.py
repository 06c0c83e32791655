"""Fit an architecture on training rows: tensors out, by the architecture's names."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from textclf.models import Architecture, InputShape, KerasArchitecture
from textclf.text.encoder import Encoder
from textclf.text.vocabulary import Vocabulary
from textclf.training.data import Rows
from textclf.training.settings import FitSettings


@dataclass(frozen=True)
class Fit:
    """A fitted model: its tensors, and what each epoch measured on the training rows."""

    weights: dict[str, Any]
    history: dict[str, list[float]]


def fit(
    made: Architecture, hyperparameters: Any, shape: InputShape, encoder: Encoder, rows: Rows, settings: FitSettings
) -> Fit:
    """Fit on ``rows``; the same seed gives the same tensors on the same machine."""
    how: Callable[..., Fit] = _fit_keras if isinstance(made, KerasArchitecture) else _fit_logistic_regression
    return how(made, hyperparameters, shape, encoder, rows, settings)


def word_vocabulary(rows: Rows) -> Vocabulary:
    """The words of the training texts in alphabetical order, as CountVectorizer numbers them."""
    from textclf.text.tokenizer import tokenize_words

    return Vocabulary(tuple(sorted({word for text in rows.texts.to_pylist() for word in tokenize_words(text)})))


def _fit_logistic_regression(
    made: Architecture, hyperparameters: Any, shape: InputShape, encoder: Encoder, rows: Rows, settings: FitSettings
) -> Fit:
    from sklearn.linear_model import LogisticRegression

    counts, _ = encoder.counts(rows.texts)
    model = LogisticRegression(C=hyperparameters.C, max_iter=hyperparameters.max_iter, random_state=settings.seed)
    model.fit(counts, rows.labels)
    tensors = (model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32))
    return Fit(dict(zip(made.tensors(hyperparameters, shape), tensors, strict=True)), {})


def _fit_keras(
    made: KerasArchitecture, hyperparameters: Any, shape: InputShape, encoder: Encoder, rows: Rows, settings: FitSettings
) -> Fit:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    model = made.build(hyperparameters, shape)
    losses = {1: "binary_crossentropy"}
    model.compile(
        optimizer=keras.optimizers.Adam(settings.learning_rate),
        loss=losses.get(shape.outputs, "sparse_categorical_crossentropy"),
        metrics=["accuracy"],
    )
    inputs, _ = encoder.sequences(rows.texts)
    with tqdm(total=settings.epochs, desc=f"{made.name}", unit="epoch", file=sys.stderr) as bar:

        def progress(_epoch: int, logs: dict[str, float]) -> None:
            bar.set_postfix({name: f"{value:.4f}" for name, value in logs.items()}, refresh=False)
            bar.update()

        history = model.fit(
            inputs,
            rows.labels,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=progress)],
        )
    tensors = zip(made.tensors(hyperparameters, shape), model.get_weights(), strict=True)
    return Fit(dict(tensors), {name: [float(value) for value in values] for name, values in history.history.items()})
