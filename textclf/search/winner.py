"""Winner of a source: trained again on all training rows, tested once and saved."""

import hashlib
import json
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from textclf.artifact import Artifact, ModelStore
from textclf.config import Split
from textclf.config.identity import identity
from textclf.errors import InputError
from textclf.models import KerasArchitecture
from textclf.search.encoded_source import EncodedSource, encoded_source
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
        history: Loss and accuracy on the training rows after each epoch.
        warnings: Faults beside it, for the reader of the search's output.
    """

    key: str
    source: str
    version: str = ""
    digest: str = ""
    accuracy: float = 0.0
    loss: float | None = None
    seconds: float = 0.0
    history: dict[str, list[float]] = field(default_factory=dict)
    error: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Winner:
    """Task that trains, tests and saves the chosen candidate.

    Attributes:
        trial: Candidate without a fold; its epochs are the median best ones.
        models: Folder or URL of the models.
        split: Split of the source, for the manifest.
        search: What the manifest says about the search.
        fresh: Identifier of a search that saves its winners even where they are saved already; else empty.
    """

    trial: Trial
    models: str
    split: Split
    search: dict[str, Any]
    fresh: str

    @property
    def key(self) -> str:
        """SHA-256 of the trained model's origin."""
        return hashlib.sha256(f"{self.trial.key} {json.dumps(identity(self.split))} {self.fresh}".encode()).hexdigest()

    def run(self) -> Saved:
        """Train and save, or find the version that an earlier attempt has saved."""
        begin, name = time.perf_counter(), self.trial.info.source
        try:
            found, damaged = self._found(ModelStore(self.models))
            artifact, history = found or self._train()
        except Exception as error:  # noqa: BLE001 - the other sources' winners do not depend on this one
            place = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {error} ({place.filename.rpartition('/')[2]}:{place.lineno})"
            return Saved(self.key, name, error=said)
        metrics, version = artifact.manifest.metrics, artifact.manifest.version
        seconds = round(time.perf_counter() - begin, 4)
        return Saved(
            self.key, name, version, artifact.digest, metrics["accuracy"], metrics["log_loss"], seconds, history,
            warnings=damaged,
        )  # fmt: skip

    def lost(self, error: str) -> Saved:
        """The result where the process died during training."""
        return Saved(self.key, self.trial.info.source, error=error)

    def _found(self, store: ModelStore) -> tuple[tuple[Artifact, dict[str, list[float]]] | None, list[str]]:
        """The version that an earlier attempt has saved, and a warning for each version that cannot be read.

        A damaged old version must not cost the trials that have just ended.
        """
        name = self.trial.info.source
        damaged: list[str] = []
        for version in reversed(store.versions(name)):
            try:
                search = store.manifest(name, version).training.get("search")
                if isinstance(search, dict) and search.get("key") == self.key:
                    return (store.load(name, version), search.get("history", {})), damaged
            except InputError as error:
                damaged.append(f"{name}@{version} is damaged and was passed over: {' '.join(str(error).split())}")
        return None, damaged

    def _train(self) -> tuple[Artifact, dict[str, list[float]]]:
        trial, source = self.trial, encoded_source(self.trial.info)
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
        return ModelStore(self.models).save(pack_model(origin, made, fitted, evaluation)), fitted.history


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
