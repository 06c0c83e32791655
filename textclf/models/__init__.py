"""Architectures: hyperparameters in, graph out."""

from textclf.models.base import (
    Architecture,
    Hyperparameters,
    InputShape,
    KerasArchitecture,
    Windows,
    label_probabilities,
)
from textclf.models.registry import ARCHITECTURES, architecture

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Hyperparameters",
    "InputShape",
    "KerasArchitecture",
    "Windows",
    "architecture",
    "label_probabilities",
]
