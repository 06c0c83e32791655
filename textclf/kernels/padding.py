"""Padding: ragged sequences of word indices to one matrix."""

from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.common.arrays import Int32, Int64


def pad(flat: Int32, offsets: npt.NDArray[Any], max_length: int, rows: Int64 | None = None) -> Int32:
    """Crop and pad sequences to one length.

    Longer sequences lose their beginning, and shorter ones get zeros at the end, as with Keras' ``pad_sequences`` and
    ``padding="post", truncating="pre"``.

    Args:
        flat: All sequences end to end.
        offsets: Start of each sequence in ``flat``, then the end of the last, shape (n + 1,).
        max_length: Number of columns of the matrix, at least 1.
        rows: Numbers of the sequences to return, in this order, shape (m,); all by default.

    Returns:
        The padded sequences: int32, shape (n, max_length) or (m, max_length).

    Raises:
        ValueError: ``max_length`` is below 1.

    Example:
        >>> pad(np.array([1, 2, 3, 4], np.int32), np.array([0, 3, 4], np.int32), 2).tolist()
        [[2, 3], [4, 0]]
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, received {max_length}")
    begins, ends = (offsets[:-1], offsets[1:]) if rows is None else (offsets[rows], offsets[rows + 1])
    kept = np.minimum(ends - begins, max_length)
    padded = np.zeros((len(kept), max_length), np.int32)
    columns = np.arange(max_length)
    filled = columns < kept[:, None]
    padded[filled] = flat[((ends - kept)[:, None] + columns)[filled]]
    return padded
