"""A model's answer is a number, or there is none: NaN is no probability, and the largest of NaNs is the first label."""

from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.artifact.artifact import Artifact
from textclf.common.arrays import Bool
from textclf.errors import ArtifactError


def finite_rows(scores: npt.NDArray[Any]) -> Bool:
    """Which rows of scores, shape (n, labels), are numbers, shape (n,).

    Example:
        >>> finite_rows(np.array([[0.5, 0.5], [np.nan, np.nan]])).tolist()
        [True, False]
    """
    found: Bool = np.isfinite(scores).all(axis=1)
    return found


def check_scores(scores: npt.NDArray[Any], artifact: Artifact) -> None:
    """Refuse answers that are no numbers: finite weights may overflow for some texts.

    Raises:
        ArtifactError: A score is infinite or not a number.
    """
    wrong = np.flatnonzero(~finite_rows(scores))
    if len(wrong):
        raise ArtifactError(
            f"Model {artifact.reference} has no answer for {len(wrong)} of {len(scores)} texts.",
            received=f"scores {scores[wrong[0]].tolist()} for text {wrong[0]}",
            expected="finite probabilities",
            fix="its weights overflow: train it again with a smaller learning_rate",
        )
