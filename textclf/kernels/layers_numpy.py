"""The kernels of ``layers`` in numpy, for machines without numba: the same sums in the same order, but slower."""

import math
from typing import Any

import numpy as np

from textclf.common.arrays import Int32, Int64
from textclf.kernels.padding import pad

_ROWS = 512  # texts at a time; bounds the memory of gathered rows


def _kept(flat: Any, offsets: Any, max_length: int) -> tuple[Int32, Int64]:
    """Return padded sequences and their lengths before padding."""
    return pad(flat, offsets, max_length), np.minimum(np.diff(offsets), max_length)


def pool_windows(
    flat: Any, offsets: Any, table: Any, width: int, max_length: int, bias: Any, relu: bool, column: int, out: Any
) -> None:
    """See ``layers.pool_windows``."""
    for start in range(0, len(out), _ROWS):
        sequences, _ = _kept(flat, offsets[start : start + _ROWS + 1], max_length)
        best = np.full((len(sequences), len(bias)), -np.inf, np.float32)
        for first in range(max_length - width + 1):
            total = table[sequences[:, first].astype(np.int64) * width]
            for number in range(1, width):
                total = total + table[sequences[:, first + number].astype(np.int64) * width + number]
            np.maximum(best, total, out=best)
        best += bias
        out[start : start + _ROWS, column : column + len(bias)] = np.maximum(best, 0) if relu else best


def sum_tokens(flat: Any, offsets: Any, table: Any, tail: Any, max_length: int, mean: bool, out: Any) -> None:
    """See ``layers.sum_tokens``."""
    positions = table.shape[0]
    for row in range(len(out)):
        tokens = flat[offsets[row] : offsets[row + 1]]
        if max_length:
            tokens = tokens[-max_length:]
        places = np.arange(len(tokens)) if positions > 1 else 0
        parts = table[places, tokens].astype(np.float64)
        # cumsum adds from first to last, while sum would add in pairs.
        out[row] = np.cumsum(np.vstack([np.zeros_like(out[:1, :][0]), parts]), axis=0)[-1]
        if positions > 1:
            out[row] += tail[len(tokens)]
        elif mean and len(tokens):
            out[row] /= len(tokens)


def dense(inputs: Any, weights: Any, bias: Any, exact: bool, relu: bool, out: Any) -> None:  # noqa: ARG001
    """See ``layers.dense``; exact products are not treated differently here."""
    inputs, parts = inputs.astype(np.float64), np.zeros((4, *out.shape))
    for number in range(len(weights)):
        parts[number & 3] += inputs[:, number, None] * weights[number]
    out[:] = (parts[0] + parts[1]) + (parts[2] + parts[3]) + bias
    if relu:
        np.maximum(out, 0, out=out)


def add_bias(values: Any, bias: Any, relu: bool) -> None:
    """See ``layers.add_bias``."""
    values += bias
    if relu:
        np.maximum(values, 0, out=values)


def probabilities(logits: Any, out: Any) -> None:
    """See ``layers.probabilities``. Uses ``math.exp``, since numpy's exponential may differ from it in the last bit."""
    if logits.shape[1] == 1:
        small = np.array([math.exp(-abs(logit)) for logit in logits[:, 0]])
        other = small / (1 + small)
        positive = logits[:, 0] >= 0
        out[:, 0], out[:, 1] = np.where(positive, other, 1 - other), np.where(positive, 1 - other, other)
        return
    for row, values in enumerate(logits):
        powers = [math.exp(value - values.max()) for value in values]
        total = 0.0
        for power in powers:
            total += power
        out[row] = [power / total for power in powers]


def weigh_windows(
    flat: Any, offsets: Any, table: Any, width: int, max_length: int, bias: Any, relu: bool, gains: Any, best: Any
) -> None:
    """See ``layers.weigh_windows``."""
    empty = table[0].copy()
    for number in range(1, width):
        empty = empty + table[number]
    for start in range(0, len(best), _ROWS):
        sequences, lengths = _kept(flat, offsets[start : start + _ROWS + 1], max_length)
        for row, (sequence, length) in enumerate(zip(sequences.astype(np.int64), lengths, strict=True), start):
            _weigh(sequence, int(length), table, width, empty, bias, relu, gains[row], best[row])


def _weigh(
    sequence: Any, length: int, table: Any, width: int, empty: Any, bias: Any, relu: bool, gains: Any, best: Any
) -> None:
    windows = min(length, len(sequence) - width + 1)
    if windows < 1:
        return
    totals = table[sequence[:windows] * width]
    for number in range(1, width):
        totals = totals + table[sequence[number : windows + number] * width + number]
    winner, top = totals.argmax(axis=0), totals.max(axis=0)
    won = top > empty if length <= len(sequence) - width else np.ones(len(bias), bool)
    apart = np.abs(np.arange(windows)[:, None] - winner) >= width
    without = np.maximum(empty, np.where(apart, totals, -np.inf).max(axis=0)).astype(np.float32) + bias
    value = top + bias
    if relu:
        value, without = np.maximum(value, 0), np.maximum(without, 0)
    credit = np.zeros(windows)
    for filter_ in np.flatnonzero(won):
        credit[winner[filter_]] += (value[filter_] - without[filter_]) * gains[filter_]
    first = int(credit.argmax())
    if credit[first] > best[0]:
        best[:] = credit[first], first, min(width, length - first)
