"""Check that a scorer reproduces the scores recorded at training."""

import platform

import numpy as np

from textclf.artifact import Golden
from textclf.errors import ArtifactError
from textclf.inference.scorer import Scorer
from textclf.text.arrow import string_array

TOLERANCE = 1e-5
"""Largest allowed difference of a probability between the library that trained a model and the scorer in use."""


def check_golden(scorer: Scorer, golden: Golden, reference: str, tolerance: float = TOLERANCE) -> float:
    """Score the golden texts and return the largest difference from the recorded scores; 0 without golden texts.

    Args:
        scorer: The scorer to check.
        golden: Texts and recorded scores.
        reference: ``name@version`` of the model, for the message.
        tolerance: Largest allowed difference.

    Raises:
        ArtifactError: The difference exceeds the tolerance, because of a different library, file or processor.
    """
    if not golden.texts:
        return 0.0
    scores, _ = scorer.score(string_array(golden.texts))
    differences = np.abs(scores - np.array(golden.scores)).max(axis=1)
    worst = int(np.nan_to_num(differences, nan=np.inf).argmax())
    if not differences[worst] <= tolerance:
        raise ArtifactError(
            f"Model {reference} does not reproduce its golden scores here; nothing was scored with it.",
            received=f"{scores[worst].tolist()} for {golden.texts[worst][:80]!r} on {platform.node()} "
            f"({platform.machine()}, Python {platform.python_version()}, numpy {np.__version__})",
            expected=f"{golden.scores[worst]} within {tolerance:g}",
            fix="compare that machine's packages with those in the model's manifest, or train the model again",
        )
    return float(differences[worst])
