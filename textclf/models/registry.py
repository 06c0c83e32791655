"""The table of architectures: a new one is a file in this folder and a line here."""

import difflib

from textclf.errors import UsageError
from textclf.models.attention import Attention
from textclf.models.base import Architecture
from textclf.models.cnn import Cnn
from textclf.models.dense import Dense
from textclf.models.embedding_flatten import EmbeddingFlatten
from textclf.models.embedding_pooling import EmbeddingAveragePooling, EmbeddingMaxPooling
from textclf.models.kim_cnn import KimCnn
from textclf.models.logistic_regression import LogisticRegression
from textclf.models.recurrent import Recurrent

ARCHITECTURES: dict[str, Architecture] = {
    made.name: made
    for made in (
        LogisticRegression(),
        Dense(),
        EmbeddingFlatten(),
        EmbeddingMaxPooling(),
        EmbeddingAveragePooling(),
        Cnn(),
        KimCnn(),
        Recurrent(),
        Attention(),
    )
}


def architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UsageError: There is none; the message names the nearest and lists all.
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1, cutoff=0.5)
        raise UsageError(
            "There is no such architecture.",
            received=name,
            expected=f"one of: {', '.join(sorted(ARCHITECTURES))}",
            fix=f"did you mean {near[0]}?" if near else None,
        )
    return ARCHITECTURES[name]
