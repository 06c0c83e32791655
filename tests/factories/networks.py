"""Small networks on tiny texts, without Spark: candidates, their training rows, fits and artifacts."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.factories.corpora import invented
from textclf.artifact import Artifact, Golden, Manifest
from textclf.models import ARCHITECTURES, KerasArchitecture, architecture
from textclf.text.encoder import Encoder
from textclf.text.tokenizer import TOKENIZERS
from textclf.text.vocabulary import Vocabulary
from textclf.training.data import Rows
from textclf.training.fit import Fit, ModelSpec, fit
from textclf.training.keras_trainer import Network
from textclf.training.settings import FitSettings

VECTORS = str(Path(__file__).parents[1] / "training" / "vectors.txt")
NETWORKS = [name for name, made in ARCHITECTURES.items() if isinstance(made, KerasArchitecture)]
SMALL: dict[str, dict[str, Any]] = {
    "kim_cnn": {"kernel_sizes": "2,3", "num_filters": 8, "embedding_dim": 8},
    "cnn": {"num_filters": 8, "embedding_dim": 8, "kernel_size": 3},
    "recurrent": {"units": 4, "embedding_dim": 8},
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "recurrent_gru": ("recurrent", {"cell": "gru"}),
    "kim_cnn_two_channels": ("kim_cnn", {"channels": "two", "pretrained": VECTORS}),
    "kim_cnn_static": ("kim_cnn", {"pretrained": VECTORS, "train_embedding": False}),
}
MODELS = {name: (name, dict[str, Any]()) for name in ARCHITECTURES} | VARIANTS
TWO, SIX = ("0", "1"), ("a", "b", "c", "d", "e", "f")


def rows_of(pairs: list[tuple[str, str]]) -> Rows:
    """Return texts and labels as rows; labels are numbered in the order of their names."""
    texts, labels = zip(*pairs, strict=True)
    names = sorted(set(labels))
    return Rows(pa.array(texts), np.array([names.index(label) for label in labels], np.int32))


def candidate(name: str, rows: Rows, given: dict[str, Any] | None = None, **settings: Any) -> ModelSpec:
    """Return a small model of an architecture with the vocabulary of the rows."""
    made = architecture(name)
    tokenize = TOKENIZERS[made.tokenizer]
    words = sorted({word for text in rows.texts.to_pylist() for word in tokenize(text)})
    encoder = Encoder(made.tokenizer, Vocabulary(tuple(words)), len(words) + 1, 30)
    fit_settings = FitSettings(**({"epochs": 8, "batch_size": 8, "seed": 3, "learning_rate": 0.01} | settings))
    wanted = made.parse(SMALL.get(name, {}) | (given or {}))
    return ModelSpec(made, wanted, encoder, int(rows.labels.max()) + 1, fit_settings)


def network_of(wanted: ModelSpec) -> Network:
    """Return the network that ``fit`` takes for a Keras candidate."""
    assert isinstance(wanted.architecture, KerasArchitecture)
    return Network(wanted.architecture, wanted.hyperparameters, wanted.encoder, wanted.shape)


def same(first: Fit, second: Fit) -> bool:
    """Return whether two fits have bitwise equal weights."""
    return all(np.array_equal(tensor, second.weights[name]) for name, tensor in first.weights.items())


@lru_cache
def learned(name: str, labels: tuple[str, ...]) -> tuple[ModelSpec, Rows, Fit]:
    """Return a candidate, its rows and its fit; each candidate is fitted once for all tests."""
    rows = rows_of(invented(96, labels))
    kind, given = MODELS[name]
    wanted = candidate(kind, rows, given, epochs=8 if len(labels) == 2 else 12)
    return wanted, rows, fit(wanted, rows)


def packed(model: str, wanted: ModelSpec, fitted: Fit, labels: tuple[str, ...], texts: list[str]) -> Artifact:
    """Return a fit as an artifact."""
    encoder = wanted.encoder
    manifest = Manifest(
        name=model,
        architecture=wanted.architecture.name,
        hyperparameters=wanted.hyperparameters.model_dump(),
        labels=list(labels),
        tokenizer=encoder.tokenizer,
        num_words=encoder.num_words,
        max_length=encoder.max_length,
        metrics={},
        training=wanted.settings.model_dump(),
        corpus_digest="0" * 64,
        packages={},
    )
    golden = Golden(texts, fitted.predict(pa.array(texts)).tolist())
    return Artifact.pack(manifest, fitted.weights, encoder.vocabulary, golden)
