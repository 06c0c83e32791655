"""Sequences of word indices to one matrix."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def pad(sequences: Sequence[Sequence[int]], max_length: int) -> npt.NDArray[np.int32]:
    """Cut and fill sequences to one length.

    Longer ones lose their beginning, shorter ones get zeros at the end: ``pad_sequences`` of Keras with
    ``padding="post", truncating="pre"``.

    Args:
        sequences: n sequences of word indices.
        max_length: Columns of the matrix, at least 1.

    Returns:
        int32, shape (n, max_length).

    Raises:
        ValueError: ``max_length`` below 1.

    Example:
        >>> pad([[1, 2, 3], [4]], 2).tolist()
        [[2, 3], [4, 0]]
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, received {max_length}")
    padded = np.zeros((len(sequences), max_length), np.int32)
    for row, sequence in zip(padded, sequences, strict=True):
        tail = sequence[-max_length:]
        row[: len(tail)] = tail
    return padded
