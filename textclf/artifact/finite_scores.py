"""Check that scores are finite. NaN is not a probability, and the argmax of NaNs would be the first label."""

from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.artifact.artifact import Artifact
from textclf.common.arrays import Bool
from textclf.errors import ArtifactError


def finite_rows(scores: npt.NDArray[Any]) -> Bool:
    """Return which rows of scores are finite, shape (n,).

    Args:
        scores: Scores, shape (n, labels).

    Example:
        >>> finite_rows(np.array([[0.5, 0.5], [np.nan, np.nan]])).tolist()
        [True, False]
    """
    found: Bool = np.isfinite(scores).all(axis=1)
    return found


def check_scores(scores: npt.NDArray[Any], artifact: Artifact) -> None:
    """Check that all scores are finite; even finite weights may overflow for some texts.

    Args:
        scores: Scores, shape (n, labels).
        artifact: The model, for the message.

    Raises:
        ArtifactError: A score is infinite or not a number.
    """
    wrong = np.flatnonzero(~finite_rows(scores))
    if len(wrong):
        raise ArtifactError(
            f"Model {artifact.reference} has no finite scores for {len(wrong)} of {len(scores)} texts.",
            received=f"scores {scores[wrong[0]].tolist()} for text {wrong[0]}",
            expected="finite probabilities",
            fix="the model's weights overflow: train it again with a smaller learning_rate",
        )
