"""Known at the start: whether a scorer gives here what training gave."""

import platform

import numpy as np

from textclf.artifact import Golden
from textclf.errors import ArtifactError
from textclf.inference.scorer import Scorer
from textclf.text.arrow import string_array

TOLERANCE = 1e-5
"""Largest difference of a probability between the library that trained a model and the scorer in use."""


def check_golden(scorer: Scorer, golden: Golden, reference: str, tolerance: float = TOLERANCE) -> float:
    """Score the golden texts and give back the largest difference; 0 without golden texts.

    Args:
        reference: ``name@version`` of the model, for the message.

    Raises:
        ArtifactError: The difference exceeds the tolerance: another library, file or processor than the model needs.
    """
    if not golden.texts:
        return 0.0
    scores, _ = scorer.score(string_array(golden.texts))
    differences = np.abs(scores - np.array(golden.scores)).max(axis=1)
    worst = int(np.nan_to_num(differences, nan=np.inf).argmax())
    if not differences[worst] <= tolerance:
        raise ArtifactError(
            f"Model {reference} does not score here as it did where it was trained; nothing was scored with it.",
            received=f"{scores[worst].tolist()} for {golden.texts[worst][:80]!r} on {platform.node()} "
            f"({platform.machine()}, Python {platform.python_version()}, numpy {np.__version__})",
            expected=f"{golden.scores[worst]} within {tolerance:g}",
            fix="compare the packages of that machine with those in the model's manifest, or train the model again",
        )
    return float(differences[worst])
