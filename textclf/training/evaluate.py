"""Measures of scores against labels."""

import numpy as np
import numpy.typing as npt

_TINY = 1e-7  # Keras' epsilon: scores are kept this far from 0 and 1 under a logarithm


def evaluate(scores: npt.NDArray[np.float32], labels: npt.NDArray[np.int32]) -> dict[str, float]:
    """Accuracy and mean log loss.

    Args:
        scores: Probabilities, shape (n, labels).
        labels: Index of each row's label, shape (n,). A row of a label that the model does not have, -1, is wrong
            and has no loss: its probability is not 0 but undefined.
    """
    known = np.flatnonzero(labels >= 0)
    of_label = np.clip(scores[known, labels[known]].astype(np.float64), _TINY, 1 - _TINY)
    return {
        "accuracy": float(np.mean(scores.argmax(axis=1) == labels)),
        "loss": float(-np.mean(np.log(of_label))),
    }
