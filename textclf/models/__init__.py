"""Architectures: hyperparameters in, graph out."""

from textclf.models.base import (
    Architecture,
    Hyperparameters,
    InputShape,
    KerasArchitecture,
    Windows,
    label_probabilities,
)
from textclf.models.compilation import Compilation, WindowMaximum, WordSum
from textclf.models.registry import ARCHITECTURES, architecture

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Compilation",
    "Hyperparameters",
    "InputShape",
    "KerasArchitecture",
    "WindowMaximum",
    "Windows",
    "WordSum",
    "architecture",
    "label_probabilities",
]
