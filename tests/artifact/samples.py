"""Artifacts with known weights, made without training."""

from collections.abc import Sequence

import numpy as np

from textclf.artifact import Artifact, Golden, Manifest
from textclf.models import InputShape, architecture
from textclf.text.vocabulary import Vocabulary

WORDS = ("again", "bad", "food", "good", "the", "was")


def sample(
    name: str = "yelp", kind: str = "logistic_regression", labels: Sequence[str] = ("0", "1"), seed: int = 0
) -> Artifact:
    """An artifact of an architecture with random weights; logistic regression of two labels prefers ``good``."""
    made = architecture(kind)
    hyperparameters = made.parse({"num_filters": 4, "kernel_size": 2, "embedding_dim": 3} if kind == "cnn" else {})
    vocabulary, num_words, max_length = Vocabulary(WORDS), 100, 6
    shape = InputShape(vocabulary.size(num_words), max_length, len(labels))
    random = np.random.default_rng(seed)
    weights = {
        tensor: random.normal(size=size).astype(made.dtype)
        for tensor, size in made.tensors(hyperparameters, shape).items()
    }
    if kind == "logistic_regression" and len(labels) == 2:
        weights["output.kernel"][:, 0] = [0, -3, 0, 3, 0, 0]
        weights["output.bias"][:] = 0.1
    manifest = Manifest(
        name=name,
        architecture=kind,
        hyperparameters=hyperparameters.model_dump(),
        labels=list(labels),
        tokenizer=made.tokenizer,
        num_words=num_words,
        max_length=max_length,
        metrics={"accuracy": 0.5},
        training={"seed": seed},
        corpus_digest="0" * 64,
        packages={},
    )
    return Artifact.pack(manifest, weights, vocabulary, Golden([""], [[1 / len(labels)] * len(labels)]))
