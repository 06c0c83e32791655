"""One trial: a candidate fitted without one fold of its source and measured on it."""

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from textclf.common.digests import json_digest
from textclf.common.secrets import masked
from textclf.config.identity import identity
from textclf.errors import with_place
from textclf.models import InputShape, KerasArchitecture
from textclf.search.cross_validation import partition
from textclf.search.encoded_source import EncodedSource, Info, Pack, encoded_source
from textclf.search.space import Candidate
from textclf.search.trial_identity import FIT_SETTINGS, HYPERPARAMETERS
from textclf.spark.gpu import device, task_gpu
from textclf.training.batches import Counts, Inputs, Sequences
from textclf.training.data import Rows
from textclf.training.evaluation import row_losses
from textclf.training.fit import ModelSpec, fit
from textclf.training.keras_trainer import Network, use_keras_backend
from textclf.training.settings import FitSettings, used_by
from textclf.training.usable_texts import no_words
from textclf.training.validated_fit import DivergedError, Watched, fit_watched, input_length

_FORMAT = 3  # version of a trial's identity: raise it when the same trial would give other measures
_EPOCHLESS = 30  # a logistic regression costs about as much as this many epochs of a network without weights
_PADDED, _PACKED = (
    1000,
    16_000,
)  # number of weights that cost as much as the rest of a row, in networks whose weights all count
_SENT, _LONGEST = 100_000, 1000  # characters of an error that leave a worker, and that are shown
SUCCEEDED, DIVERGED, FAILED = "succeeded", "diverged", "failed"


@dataclass(frozen=True)
class FoldPlan:
    """Division of a source's training rows.

    Attributes:
        seed: Seed of the folds.
        nested: Number of outer folds of a nested cross-validation; None without.
    """

    folds: int
    seed: int
    nested: int | None = None


@dataclass(frozen=True)
class Result:
    """Result of a trial, as in a row of ``trials``.

    Attributes:
        accuracy, loss: Measures on the held-out rows after the epoch with the lowest loss on them.
        epochs: Number of that epoch, from 1; 0 for an architecture without epochs.
        history: Measures of each epoch, by name.
        started_at: Seconds since 1970.
    """

    key: str
    status: str
    started_at: float
    seconds: float
    accuracy: float | None = None
    loss: float | None = None
    epochs: int | None = None
    error: str | None = None
    history: dict[str, list[float]] = field(default_factory=dict)

    @property
    def said(self) -> str | None:
        """The error for the reader, masked on the driver, which knows the secrets, and then cut to length."""
        return self.error and str(masked(self.error))[:_LONGEST]


@dataclass(frozen=True)
class Trial:
    """A candidate and a fold of a source.

    Attributes:
        values: All hyperparameters, validated.
        outer: Outer fold that is taken away first; None outside a nested cross-validation.
        fold: Fold that is held out; None holds out the outer fold itself.
        engine: Engine of Keras, such as ``jax``.
    """

    info: Info
    candidate: Candidate
    values: Any
    settings: FitSettings
    plan: FoldPlan
    outer: int | None
    fold: int | None
    engine: str

    @cached_property
    def key(self) -> str:
        """SHA-256 of everything that decides what the trial measures."""
        network = isinstance(self.candidate.made, KerasArchitecture)
        settings = identity(self.settings, FIT_SETTINGS)
        parts = {
            "format": _FORMAT,
            "corpus": self.info.corpus_digest,
            "encoded": self.info.digest,
            "architecture": self.candidate.architecture,
            "hyperparameters": identity(self.values, HYPERPARAMETERS.get(self.candidate.architecture, ())),
            "settings": {name: value for name, value in settings.items() if name in used_by(self.candidate.made)},
            "folds": [self.plan.folds, self.plan.seed, self.plan.nested, self.outer, self.fold],
            "engine": self.engine if network else None,
        }
        return json_digest(parts, sort_keys=True)

    @cached_property
    def cost(self) -> float:
        """Estimated duration, in arbitrary units."""
        made, epochs = self.candidate.made, self.settings.epochs
        if not isinstance(made, KerasArchitecture):
            epochs, weights = _EPOCHLESS, _PADDED
        elif self.engine == "jax" and (windows := made.windows(self.values, self.shape)) is not None:
            weights = _PACKED + self.parameters - windows.vocabulary * windows.dim
        else:
            weights = _PADDED + self.parameters
        return float(self.info.rows * epochs * weights)

    @property
    def parameters(self) -> int:
        """Number of weights of the model."""
        return self.candidate.made.parameter_count(self.values, self.shape)

    @property
    def shape(self) -> InputShape:
        """Sizes of the model's input and output."""
        made = self.candidate.made
        return InputShape(self.info.words[made.tokenizer], self.max_length, len(self.info.labels))

    @property
    def max_length(self) -> int:
        """Longest length of a sequence."""
        return self.info.max_length

    def run(self, shared: Pack) -> Result:
        """Fit and measure on an executor; an error becomes the result of this trial."""
        begin, started = time.perf_counter(), time.time()

        def ended(status: str, **values: Any) -> Result:
            return Result(self.key, status, started, round(time.perf_counter() - begin, 4), **values)

        try:
            return ended(SUCCEEDED, **_measure(self, shared))
        except DivergedError as error:
            return ended(DIVERGED, error=str(error))
        except Exception as error:  # noqa: BLE001 - an error of a candidate is the result of its trial
            return ended(FAILED, error=cut_words(with_place(error)))

    def lost(self, error: str) -> Result:
        """The result of a trial whose process died."""
        return Result(self.key, FAILED, time.time(), 0.0, error=cut_words(error))


def cut_words(said: str) -> str:
    """Cut an error at a blank: the driver masks secrets in it and would not recognise a part of one."""
    if len(said) <= _SENT:
        return said
    head, blank, _ = said[:_SENT].rpartition(" ")
    return head if blank else ""


def _measure(trial: Trial, pack: Pack) -> dict[str, Any]:
    made = trial.candidate.made
    made.check(trial.values, trial.shape)
    if trial.shape.vocabulary < 2:  # only padding: a network without inputs would end the process
        raise no_words(trial.info.rows, made.tokenizer, f"Source {trial.info.source}")
    source = encoded_source(trial.info, pack)
    labels = source.training_labels
    plan = trial.plan
    train, held = partition(labels, plan.folds, plan.seed, trial.fold, plan.nested, trial.outer)
    if isinstance(made, KerasArchitecture):
        history = fit_rows(trial, source, train, held).history
        best = int(np.argmin(history["val_loss"]))
        # The epochs were chosen without the outer fold, which must not choose them now.
        best = len(history["val_loss"]) - 1 if trial.fold is None else best
        rounded = {name: [round(value, 6) for value in values] for name, values in history.items()}
        measures = history["val_accuracy"][best], history["val_loss"][best]
        return {"accuracy": measures[0], "loss": measures[1], "epochs": best + 1, "history": rounded}
    rows = Rows(pa.array(train), labels[train])
    scores = fit(model_spec(trial, source), rows).predict(pa.array(held))
    accuracy = float(np.mean(scores.argmax(axis=1) == labels[held]))
    loss = float(row_losses(scores.astype(np.float64), labels[held].astype(np.int64)).mean())
    return {"accuracy": accuracy, "loss": loss, "epochs": 0}


def model_spec(trial: Trial, source: EncodedSource) -> ModelSpec:
    """The model to fit, with the source's encoder, which takes row numbers."""
    encoder = source.encoders[trial.candidate.made.tokenizer]
    return ModelSpec(trial.candidate.made, trial.values, encoder, len(trial.info.labels), trial.settings)


def fit_rows(trial: Trial, source: EncodedSource, train: Any, held: Any) -> Watched:
    """Fit the trial's network on some training rows of the source and watch its loss on others."""
    made = trial.candidate.made
    assert isinstance(made, KerasArchitecture)
    use_keras_backend(trial.engine)
    encoder = source.encoders[made.tokenizer]
    network = Network(made, trial.values, encoder, trial.shape)
    inputs: Inputs
    if made.features == "counts":
        inputs = Counts(encoder.counts(pa.array(np.arange(trial.info.rows)))[0])
    else:
        flat, offsets = encoder.ragged(pa.array(np.arange(trial.info.rows)))
        inputs = Sequences(flat, offsets, input_length(network, source.longest(made.tokenizer)))
    with device(task_gpu()):
        return fit_watched(network, inputs, source.training_labels, train, held, trial.settings)
