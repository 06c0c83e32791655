"""One training figure of each kind, created at each call."""

from collections.abc import Callable
from typing import Any

import numpy as np

from textclf.report.training_figures import confusion_figure, history_figure, reliability_figure
from textclf.training.evaluation import Evaluation, evaluate

HISTORY = {
    "accuracy": [0.5, 0.75, 0.9],
    "loss": [0.7, 0.5, 0.2],
    "val_accuracy": [0.5, 0.6, 0.7],
    "val_loss": [0.69, 0.6, 0.61],
}
SCORES = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.5, 0.5]])


def measured(*names: str) -> Evaluation:
    """Return the evaluation of four rows with two labels."""
    return evaluate(SCORES, np.array([0, 1, 0, 0]), names or ("no", "yes"), resamples=10)


FIGURES: dict[str, Callable[[], Any]] = {
    "history": lambda: history_figure(HISTORY),
    "confusion": lambda: confusion_figure(measured()),
    "reliability": lambda: reliability_figure(measured()),
}
