"""An artifact as a function from texts to probabilities."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import expit, softmax

from textclf.artifact import Artifact
from textclf.models import KerasArchitecture

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
_BATCH = 512  # rows of one call of the network: bounds the memory of its activations


class Scorer(Protocol):
    """Scores texts with one model."""

    def score(self, texts: pa.Array) -> tuple[Floats, Ints]:
        """Probabilities, shape (n, labels), and the number of known tokens of each text, shape (n,)."""


def make_scorer(artifact: Artifact) -> Scorer:
    """The scorer of an artifact, built once and used for many batches."""
    if isinstance(artifact.architecture, KerasArchitecture):
        return KerasScorer(artifact)
    return LinearScorer(artifact)


class LinearScorer:
    """Logistic regression on counts, without Keras."""

    def __init__(self, artifact: Artifact) -> None:
        self._encoder = artifact.encoder
        self._kernel, self._bias = artifact.weights["output.kernel"], artifact.weights["output.bias"]

    def score(self, texts: pa.Array) -> tuple[Floats, Ints]:
        counts, known = self._encoder.counts(texts)
        logits = counts.astype(np.float32) @ self._kernel + self._bias
        return _probabilities(expit(logits) if logits.shape[1] == 1 else softmax(logits, axis=1)), known


class KerasScorer:
    """A Keras network, its graph built by the package and its weights from the artifact."""

    def __init__(self, artifact: Artifact) -> None:
        self._encoder = artifact.encoder
        self.model = keras_model(artifact)

    def score(self, texts: pa.Array) -> tuple[Floats, Ints]:
        sequences, known = self._encoder.sequences(texts)
        parts = [self._predict(sequences[at : at + _BATCH]) for at in range(0, len(sequences), _BATCH)]
        outputs = np.concatenate(parts) if parts else np.empty((0, self.model.output_shape[-1]), np.float32)
        return _probabilities(outputs), known

    def _predict(self, sequences: Ints) -> Floats:
        # One shape for every call: a new one would trace the graph again, and scores would depend on neighbours.
        padded = np.zeros((_BATCH, sequences.shape[1]), np.int32)
        padded[: len(sequences)] = sequences
        outputs: Floats = self.model.predict_on_batch(padded)
        return outputs[: len(sequences)]


def keras_model(artifact: Artifact) -> Any:
    """The artifact's network as a ``keras.Model``."""
    made = artifact.architecture
    if not isinstance(made, KerasArchitecture):
        raise TypeError(f"expected a network, received {made.name}")
    model = made.build(artifact.hyperparameters, artifact.shape)
    model.set_weights(list(artifact.weights.values()))
    return model


def _probabilities(outputs: npt.NDArray[Any]) -> Floats:
    """One column a label, from one sigmoid or a softmax."""
    if outputs.shape[1] == 1:
        outputs = np.hstack([1 - outputs, outputs])
    return outputs.astype(np.float32)
