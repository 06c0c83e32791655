"""Scorers: functions from texts to probabilities, made from an artifact."""

from typing import Protocol

import numpy as np
import pyarrow as pa

from textclf.artifact import Artifact
from textclf.common.arrays import Float32, Int32, Int64
from textclf.models import KerasArchitecture, label_probabilities
from textclf.text.token_index import TokenIndex


class Scorer(Protocol):
    """Scores texts with one model."""

    def score(self, texts: pa.Array) -> tuple[Float32, Int32]:
        """Score strings without nulls.

        Returns:
            Probabilities in the order of the manifest's labels, shape (n, labels); and for each text the number of
            tokens that the vocabulary has, including those that are cut off a long text, shape (n,).
        """


class TokenScorer:
    """A scorer of token indices, which models with the same vocabulary can share.

    Attributes:
        index: Index that finds the tokens of texts.
    """

    index: TokenIndex

    def score(self, texts: pa.Array) -> tuple[Float32, Int32]:
        """Compute probabilities, shape (n, labels), and numbers of known tokens, shape (n,)."""
        flat, offsets = self.index.ragged(texts)
        return self.score_tokens(flat, offsets), np.diff(offsets).astype(np.int32)

    def score_tokens(self, flat: Int32, offsets: Int64) -> Float32:
        """Compute probabilities from the tokens found by ``index``, shape (n, labels); changes neither array."""
        raise NotImplementedError


def make_scorer(artifact: Artifact) -> Scorer:
    """Make the scorer of an artifact, to be used for many batches."""
    if isinstance(artifact.architecture, KerasArchitecture):
        from textclf.inference.keras_scorer import KerasScorer

        return KerasScorer(artifact)
    return LinearScorer(artifact)


class LinearScorer:
    """Logistic regression on counts, without Keras or scikit-learn."""

    def __init__(self, artifact: Artifact) -> None:
        self._encoder = artifact.encoder
        self._kernel, self._bias = artifact.weights["output.kernel"], artifact.weights["output.bias"]

    def score(self, texts: pa.Array) -> tuple[Float32, Int32]:
        """Compute probabilities, shape (n, labels), and numbers of known tokens, shape (n,)."""
        from scipy.special import expit, softmax

        counts, known = self._encoder.counts(texts)
        logits = counts @ self._kernel + self._bias
        return label_probabilities(expit(logits) if logits.shape[1] == 1 else softmax(logits, axis=1)), known
