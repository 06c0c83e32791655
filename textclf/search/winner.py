"""Winner of a source: trained again on all training rows and tested once by a task, then saved by the driver."""

import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from textclf.artifact import Artifact, ModelStore
from textclf.config import Split
from textclf.config.identity import identity
from textclf.errors import InputError, with_place
from textclf.models import KerasArchitecture
from textclf.search.encoded_source import EncodedSource, Pack, encoded_source
from textclf.search.selection import CandidateResult, Verdict
from textclf.search.source_search import SourceSearch
from textclf.search.trial import Trial, fit_rows, model_spec
from textclf.text.encoder import Encoder
from textclf.training.data import Rows
from textclf.training.evaluation import evaluate
from textclf.training.fit import Fit, fit
from textclf.training.keras_trainer import Network, predictor
from textclf.training.train import Origin, pack_model


@dataclass(frozen=True)
class Saved:
    """A saved winner, or the reason why it was not saved.

    Attributes:
        interval: Bootstrap interval of the accuracy.
        artifact: The model on its way from the task to the driver, which saves it.
        history: Loss and accuracy on the training rows after each epoch.
        warnings: Faults beside it, for the reader of the search's output.
    """

    key: str
    source: str
    version: str = ""
    digest: str = ""
    accuracy: float = 0.0
    loss: float | None = None
    interval: tuple[float, float] | None = None
    seconds: float = 0.0
    history: dict[str, list[float]] = field(default_factory=dict)
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    artifact: Artifact | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Winner:
    """Task that trains and tests the chosen candidate.

    Attributes:
        trial: Candidate without a fold; its epochs are the median best ones.
        split: Split of the source, for the manifest.
        search: What the manifest says about the search.
        fresh: Identifier of a search that saves its winners even where they are saved already; else empty.
    """

    trial: Trial
    split: Split
    search: dict[str, Any]
    fresh: str

    @property
    def key(self) -> str:
        """SHA-256 of the trained model's origin."""
        return hashlib.sha256(f"{self.trial.key} {json.dumps(identity(self.split))} {self.fresh}".encode()).hexdigest()

    @cached_property
    def size(self) -> int:
        """Bytes of the model's weights."""
        return self.trial.parameters * np.dtype(self.trial.candidate.made.dtype).itemsize

    def run(self, shared: Pack) -> Saved:
        """Train and test on an executor; an error becomes the result of this source."""
        begin = time.perf_counter()
        try:
            artifact, history = self._train(shared)
        except Exception as error:  # noqa: BLE001 - the other sources' winners do not depend on this one
            return self.lost(with_place(error))
        return _saved(self, artifact, history, round(time.perf_counter() - begin, 4))

    def lost(self, error: str) -> Saved:
        """The result where the training or saving failed, or its process died."""
        return Saved(self.key, self.trial.info.source, error=error)

    def _train(self, pack: Pack) -> tuple[Artifact, dict[str, list[float]]]:
        trial, source = self.trial, encoded_source(self.trial.info, pack)
        info = trial.info
        fitted = _fit(trial, source)
        test = np.arange(info.rows, info.rows + info.test_rows)
        evaluation = evaluate(fitted.predict(pa.array(test)), source.labels[test], info.labels)
        origin = Origin(
            info.source, info.labels, info.rows, info.test_rows, self.split.model_dump(), info.corpus_digest,
            source.golden, info.unseen, self.search | {"key": self.key, "history": fitted.history},
        )  # fmt: skip
        made = model_spec(trial, source)
        encoder = made.encoder
        plain = Encoder(encoder.tokenizer, encoder.vocabulary, encoder.num_words, encoder.max_length)
        made = type(made)(made.architecture, made.hyperparameters, plain, made.n_labels, made.settings)
        return pack_model(origin, made, fitted, evaluation), fitted.history


def saved_before(store: ModelStore, winner: Winner) -> tuple[Saved | None, list[str]]:
    """Find the version that an earlier search, which may have been killed afterwards, has saved.

    Returns:
        What it saved, or None; and a warning for each version that cannot be read: a damaged old version must not cost
        the trials that have just ended.
    """
    name = winner.trial.info.source
    damaged: list[str] = []
    try:
        for version in reversed(store.versions(name)):
            try:
                search = store.manifest(name, version).training.get("search")
                if isinstance(search, dict) and search.get("key") == winner.key:
                    found = _saved(winner, store.load(name, version), search.get("history", {}), 0.0)
                    return replace(found, version=version, artifact=None), damaged
            except InputError as error:
                damaged.append(f"{name}@{version} is damaged and was passed over: {' '.join(str(error).split())}")
    except Exception as error:  # noqa: BLE001 - the other sources' winners do not depend on this one
        return winner.lost(with_place(error)), damaged
    return None, damaged


def save(store: ModelStore, winner: Winner, trained: Saved) -> Saved:
    """Save a winner that a task has trained; an error becomes the result of this source."""
    if trained.artifact is None:  # the training failed
        return trained
    try:
        artifact = store.save(trained.artifact)
    except Exception as error:  # noqa: BLE001 - the other sources' winners do not depend on this one
        return winner.lost(with_place(error))
    return replace(trained, version=artifact.manifest.version, digest=artifact.digest, artifact=None)


def _saved(winner: Winner, artifact: Artifact, history: dict[str, list[float]], seconds: float) -> Saved:
    metrics, name = artifact.manifest.metrics, winner.trial.info.source
    accuracy, loss, within = metrics["accuracy"], metrics["log_loss"], metrics.get("intervals", {}).get("accuracy")
    interval = None if within is None else (within["low"], within["high"])
    return Saved(winner.key, name, "", artifact.digest, accuracy, loss, interval, seconds, history, artifact=artifact)


def _fit(trial: Trial, source: EncodedSource) -> Fit:
    """The candidate fitted on all training rows."""
    made, rows = trial.candidate.made, np.arange(trial.info.rows)
    if not isinstance(made, KerasArchitecture):
        return fit(model_spec(trial, source), Rows(pa.array(rows), source.training_labels))
    watched = fit_rows(trial, source, rows, rows[:0])
    network = Network(made, trial.values, source.encoders[made.tokenizer], trial.shape)
    weights = watched.weights()
    names = made.tensors(trial.values, trial.shape)
    # Keras tests it, whatever fitted it: every scorer has to give its golden scores.
    return Fit(dict(zip(names, weights, strict=True)), watched.history, predictor(network, weights))


def for_all_rows(chosen: CandidateResult) -> Trial:
    """The chosen candidate without a fold: it trains for the median best epoch and never sees held-out rows."""
    trial = chosen.trial
    settings = trial.settings
    if isinstance(trial.candidate.made, KerasArchitecture):
        settings = settings.model_copy(
            update={"epochs": max(chosen.epochs, 1), "patience": None, "validation_size": 0.0}
        )
    return replace(trial, fold=None, settings=settings)


def search_record(search_id: str, search: SourceSearch, verdict: Verdict) -> dict[str, Any]:
    """What the manifest of a winner says about its search."""

    def figures(result: CandidateResult | None) -> dict[str, Any] | None:
        if result is None:
            return None
        return {
            "architecture": result.trial.candidate.architecture,
            "params": dict(result.trial.candidate.values),
            "accuracy": round(result.accuracy, 6),
            "standard_error": round(result.standard_error, 6),
            "loss": round(result.loss, 6),
            "epochs": result.epochs,
        }

    return {
        "search_id": search_id,
        "strategy": search.plan.strategy,
        "candidates": len(search.candidates),
        "folds": search.folds.folds,
        "fold_seed": search.folds.seed,
        "rule": verdict.rule,
        "chosen": figures(verdict.chosen),
        "best": figures(verdict.best),
        "baseline": figures(verdict.baseline),
        "beats_baseline": verdict.beats_baseline,
    }
