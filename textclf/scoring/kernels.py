"""Compiled loops over folded models: token indices to probabilities.

Every sum is taken in one order, row by row: a score depends on its own text alone, to the last bit. ``plain`` holds
the same in numpy, in the same order.
"""

import math
from typing import Any

import numpy as np

from textclf.text.jit import kernel

_LOWEST = np.float32(-np.inf)


@kernel
def _stronger_of_few(table: Any, rows: Any, first: int, width: int, best: Any, better: Any) -> None:
    """The larger of ``best`` and the sum of up to five rows of the table, into ``better``.

    One loop for each width keeps the sums in registers. Two arrays, because a maximum in place becomes a masked
    store, which takes most of the time on processors of AMD.
    """
    a, b, c, d, e = rows[first], rows[first + 1] + 1, rows[first + 2] + 2, rows[first + 3] + 3, rows[first + 4] + 4
    if width == 1:
        for j in range(len(best)):
            value = table[a, j]
            better[j] = value if value > best[j] else best[j]
    elif width == 2:
        for j in range(len(best)):
            value = table[a, j] + table[b, j]
            better[j] = value if value > best[j] else best[j]
    elif width == 3:
        for j in range(len(best)):
            value = table[a, j] + table[b, j] + table[c, j]
            better[j] = value if value > best[j] else best[j]
    elif width == 4:
        for j in range(len(best)):
            value = table[a, j] + table[b, j] + table[c, j] + table[d, j]
            better[j] = value if value > best[j] else best[j]
    else:
        for j in range(len(best)):
            value = table[a, j] + table[b, j] + table[c, j] + table[d, j] + table[e, j]
            better[j] = value if value > best[j] else best[j]


@kernel
def _add_rows(table: Any, rows: Any, first: int, width: int, total: Any) -> None:
    """The sum of the table's rows for a window, in their order."""
    total[:] = table[rows[first]]
    for number in range(1, width):
        row = rows[first + number] + number
        for j in range(len(total)):
            total[j] += table[row, j]


@kernel
def _stronger(values: Any, best: Any, better: Any) -> None:
    for j in range(len(best)):
        better[j] = values[j] if values[j] > best[j] else best[j]


@kernel
def _place(flat: Any, begin: int, end: int, width: int, rows: Any) -> None:
    """First row in the table of each token of a text, then of as much padding as its last window reaches."""
    for at in range(begin, end):
        rows[at - begin] = np.int64(flat[at]) * width
    for at in range(end - begin, min(end - begin + width, len(rows))):
        rows[at] = 0


@kernel
def pool_windows(
    flat: Any, offsets: Any, table: Any, width: int, max_length: int, bias: Any, relu: bool, column: int, out: Any
) -> None:
    """The strongest window of each filter.

    Args:
        flat: Indices of all texts end to end: int32.
        offsets: Where each text's begin: int64, shape (n + 1,).
        table: What a filter gives a word at a place of its window: float32, shape (vocabulary * width, filters).
        max_length: Longer texts lose their beginning; shorter ones are padded at the end with index 0.
        bias: float32, shape (filters,).
        relu: Values below 0 become 0.
        out: float64, shape (n, features); the filters' columns begin at ``column``.
    """
    filters = len(bias)
    rows = np.zeros(max_length + max(width, 5), np.int64)
    empty, total, best = (
        np.empty(filters, np.float32),
        np.empty(filters, np.float32),
        np.empty((2, filters), np.float32),
    )
    _add_rows(table, rows, 0, width, empty)
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        begin = max(offsets[row], end - max_length)
        length, now = end - begin, 0
        if length <= max_length - width:  # at least one window is all padding
            best[0] = empty
        else:
            best[0] = _LOWEST
        _place(flat, begin, end, width, rows)
        for first in range(min(length, max_length - width + 1)):
            if width <= 5:
                _stronger_of_few(table, rows, first, width, best[now], best[1 - now])
            else:
                _add_rows(table, rows, first, width, total)
                _stronger(total, best[now], best[1 - now])
            now = 1 - now
        for j in range(filters):
            value = best[now, j] + bias[j]
            out[row, column + j] = value if not relu or value > 0 else np.float32(0)


@kernel
def sum_tokens(flat: Any, offsets: Any, table: Any, tail: Any, max_length: int, mean: bool, out: Any) -> None:
    """The sum of what each token contributes, or its mean.

    Args:
        table: What a word at a position contributes, of float32 or float64, shape (positions, vocabulary, units);
            with one position, wherever it stands.
        tail: What the padding after n tokens contributes: float64, shape (positions + 1, units).
        max_length: Longer texts lose their beginning; 0 for no limit.
        out: float64, shape (n, units).
    """
    positions, units = table.shape[0], table.shape[2]
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        begin = max(offsets[row], end - max_length) if max_length else offsets[row]
        for j in range(units):
            out[row, j] = 0.0
        for at in range(begin, end):
            position = at - begin if positions > 1 else 0
            for j in range(units):
                out[row, j] += table[position, flat[at], j]
        if positions > 1:
            for j in range(units):
                out[row, j] += tail[end - begin, j]
        elif mean and end > begin:
            for j in range(units):
                out[row, j] /= end - begin


@kernel
def dense(inputs: Any, weights: Any, bias: Any, relu: bool, out: Any) -> None:
    """A dense layer, all float64: (n, inputs) times (inputs, units) plus (units,).

    For speed, units are a multiple of 16, which is what the compiler adds at a time, and four sums run side by side,
    because each addition waits for the one before it.
    """
    total = np.empty((4, len(bias)), np.float64)
    for row in range(len(inputs)):
        total[:] = 0.0
        for i in range(len(weights)):
            value, part = inputs[row, i], i & 3
            for j in range(len(bias)):
                total[part, j] += value * weights[i, j]
        for j in range(len(bias)):
            value = (total[0, j] + total[1, j]) + (total[2, j] + total[3, j]) + bias[j]
            out[row, j] = value if not relu or value > 0 else 0.0


@kernel
def add_bias(values: Any, bias: Any, relu: bool) -> None:
    """Add a bias to each row, in place."""
    for row in range(len(values)):
        for j in range(len(bias)):
            value = values[row, j] + bias[j]
            values[row, j] = max(value, 0.0) if relu else value


@kernel
def probabilities(logits: Any, out: Any) -> None:
    """Sigmoid of one logit as two columns, or softmax of several: float64 to float32."""
    if logits.shape[1] == 1:
        for row in range(len(logits)):
            logit = logits[row, 0]
            small = math.exp(-abs(logit))
            other = small / (1.0 + small)
            out[row, 0], out[row, 1] = (other, 1.0 - other) if logit >= 0 else (1.0 - other, other)
        return
    for row in range(len(logits)):
        highest, total = logits[row].max(), 0.0
        for j in range(logits.shape[1]):
            total += math.exp(logits[row, j] - highest)
        for j in range(logits.shape[1]):
            out[row, j] = math.exp(logits[row, j] - highest) / total


@kernel
def weigh_windows(
    flat: Any, offsets: Any, table: Any, width: int, max_length: int, bias: Any, relu: bool, gains: Any, best: Any
) -> None:
    """How much the strongest window of some filters moves the decision, for every text.

    Each filter's value is credited to the window that it comes from, less what the filter would have without that
    window's words: its strongest window that shares no word with it, or padding.

    Args:
        gains: What a unit of each filter adds to the decision: float64, shape (n, filters).
        best: Weight, first token (counted from the text's last ``max_length``) and width of the window that moved the
            decision most so far: float64, shape (n, 3); raised in place.
    """
    filters = len(bias)
    rows = np.zeros(max_length + width, np.int64)
    empty = np.empty(filters, np.float32)
    _add_rows(table, rows, 0, width, empty)
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        begin = max(offsets[row], end - max_length)
        length = end - begin
        windows = min(length, max_length - width + 1)
        _place(flat, begin, end, width, rows)
        totals, credit = np.empty((windows, filters), np.float32), np.zeros(windows, np.float64)
        for first in range(windows):
            _add_rows(table, rows, first, width, totals[first])
        for j in range(filters):
            if windows > 0:
                winner, without = _winner(totals, j, width, empty[j])
                value = totals[winner, j] + bias[j]
                if totals[winner, j] > empty[j] or length > max_length - width:
                    without += bias[j]
                    if relu:
                        value, without = max(value, np.float32(0)), max(without, np.float32(0))
                    credit[winner] += (value - without) * gains[row, j]
        for first in range(windows):
            if credit[first] > best[row, 0]:
                best[row, 0], best[row, 1], best[row, 2] = credit[first], first, min(width, length - first)


@kernel
def _winner(totals: Any, j: int, width: int, empty: Any) -> Any:
    """The window that wins a filter, and the filter's value without its words."""
    winner = totals[:, j].argmax()
    without = empty
    for first in range(len(totals)):
        if abs(first - winner) >= width and totals[first, j] > without:
            without = totals[first, j]
    return winner, without
