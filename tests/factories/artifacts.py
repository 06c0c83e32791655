"""Artifacts with known weights, made without training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textclf.artifact import Artifact, Golden, Manifest
from textclf.models import InputShape, architecture
from textclf.text.vocabulary import Vocabulary

WORDS = ("again", "bad", "food", "good", "the", "was")


def sample(
    name: str = "yelp",
    kind: str = "logistic_regression",
    labels: Sequence[str] = ("0", "1"),
    seed: int = 0,
    *,
    words: Sequence[str] = WORDS,
    max_length: int = 6,
    given: Mapping[str, Any] | None = None,
) -> Artifact:
    """Return an artifact with random weights; a two-label logistic regression prefers ``good``.

    ``given`` replaces the hyperparameters of a small network. The artifact has no golden texts.
    """
    made = architecture(kind)
    small = {"num_filters": 4, "kernel_size": 2, "embedding_dim": 3} if kind == "cnn" else {}
    hyperparameters = made.parse(small if given is None else given)
    vocabulary, num_words = Vocabulary(tuple(words)), len(words) + 94
    shape = InputShape(vocabulary.size(num_words), max_length, len(labels))
    random = np.random.default_rng(seed)
    weights = {
        tensor: random.normal(size=size).astype(made.dtype)
        for tensor, size in made.tensors(hyperparameters, shape).items()
    }
    if kind == "logistic_regression" and len(labels) == 2 and words == WORDS:
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
    return Artifact.pack(manifest, weights, vocabulary, Golden([], []))
