"""Kernels of compiled models: from token indices to probabilities.

Every sum is taken in a fixed order, row by row, so that a score depends only on its text, to the last bit.
``layers_numpy`` has the same functions in numpy, with the same order.
"""

import math
from typing import Any

import numpy as np

from textclf.kernels.compiler import kernel
from textclf.kernels.simd import COUNT, add, add_exact_product, add_product, item, larger, load, store, zeros

_LOWEST = np.float32(-np.inf)


@kernel
def _window(table: Any, rows: Any, first: int, width: int, filters: int, at: int) -> Any:
    """Sum the table's rows for a window, in their order, for one vector of filters from ``at``."""
    total = load(table, rows[first] * filters + at)
    for number in range(1, width):
        total = add(total, load(table, (rows[first + number] + number) * filters + at))
    return total


@kernel
def _strongest_of_four(table: Any, rows: Any, windows: int, width: int, at: int, start: Any, best: Any) -> None:
    """Compute four vectors of ``_strongest``, which stay in registers from window to window."""
    filters = len(best)
    a, b = load(start, at), load(start, at + COUNT)
    c, d = load(start, at + 2 * COUNT), load(start, at + 3 * COUNT)
    for first in range(windows):
        a = larger(_window(table, rows, first, width, filters, at), a)
        b = larger(_window(table, rows, first, width, filters, at + COUNT), b)
        c = larger(_window(table, rows, first, width, filters, at + 2 * COUNT), c)
        d = larger(_window(table, rows, first, width, filters, at + 3 * COUNT), d)
    store(best, at, a)
    store(best, at + COUNT, b)
    store(best, at + 2 * COUNT, c)
    store(best, at + 3 * COUNT, d)


@kernel
def _strongest_of_one(table: Any, rows: Any, windows: int, width: int, at: int, start: Any, best: Any) -> None:
    filters, found = len(best), load(start, at)
    for first in range(windows):
        found = larger(_window(table, rows, first, width, filters, at), found)
    store(best, at, found)


@kernel
def _strongest(table: Any, rows: Any, windows: int, width: int, start: Any, best: Any) -> None:
    """Write each filter's strongest window into ``best``, or ``start`` if that is stronger."""
    filters, at = len(best), 0
    while at + 4 * COUNT <= filters:
        _strongest_of_four(table, rows, windows, width, at, start, best)
        at += 4 * COUNT
    while at < filters:  # the last vector overlaps the one before it if the filters do not fill it
        _strongest_of_one(table, rows, windows, width, min(at, filters - COUNT), start, best)
        at += COUNT


@kernel
def _strongest_of_few(table: Any, rows: Any, windows: int, width: int, total: Any, start: Any, best: Any) -> None:
    """Do the same as ``_strongest`` for fewer filters than a vector has numbers."""
    best[:] = start
    for first in range(windows):
        _add_rows(table, rows, first, width, total)
        for j in range(len(best)):
            best[j] = total[j] if total[j] > best[j] else best[j]


@kernel
def _add_rows(table: Any, rows: Any, first: int, width: int, total: Any) -> None:
    """Sum the table's rows for a window, in their order."""
    total[:] = table[rows[first]]
    for number in range(1, width):
        row = rows[first + number] + number
        for j in range(len(total)):
            total[j] += table[row, j]


@kernel
def _place(flat: Any, begin: int, end: int, width: int, rows: Any) -> None:
    """Write the first table row of each token of a text, then of as much padding as its last window reaches."""
    for at in range(begin, end):
        rows[at - begin] = np.int64(flat[at]) * width
    for at in range(end - begin, min(end - begin + width, len(rows))):
        rows[at] = 0


@kernel
def pool_windows(
    flat: Any, offsets: Any, table: Any, width: int, max_length: int, bias: Any, relu: bool, column: int, out: Any
) -> None:
    """Compute the strongest window of each filter, for every text.

    Args:
        flat: Token indices of all texts end to end: int32.
        offsets: Start of each text in ``flat``, then the end of the last: int64, shape (n + 1,).
        table: Value of each filter for a word at a place of its window: float32, shape (vocabulary * width, filters).
        width: Width of a window in tokens.
        max_length: Length in tokens; longer texts lose their beginning, shorter ones are padded with 0 at the end.
        bias: Bias of each filter: float32, shape (filters,).
        relu: Whether values below 0 become 0.
        column: First column of the filters in ``out``.
        out: Result: float32, shape (n, features).
    """
    filters = len(bias)
    rows = np.zeros(max_length + width, np.int64)
    lowest, empty = np.full(filters, _LOWEST, np.float32), np.empty(filters, np.float32)
    total, best = np.empty(filters, np.float32), np.empty(filters, np.float32)
    _add_rows(table, rows, 0, width, empty)
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        begin = max(offsets[row], end - max_length)
        length = end - begin
        windows = min(length, max_length - width + 1)
        start = empty if length <= max_length - width else lowest  # whether a window is all padding
        _place(flat, begin, end, width, rows)
        # With the usual widths as constants, the compiler makes each a sum without a loop.
        if filters < COUNT:
            _strongest_of_few(table, rows, windows, width, total, start, best)
        elif width == 1:
            _strongest(table, rows, windows, 1, start, best)
        elif width == 3:
            _strongest(table, rows, windows, 3, start, best)
        elif width == 4:
            _strongest(table, rows, windows, 4, start, best)
        elif width == 5:
            _strongest(table, rows, windows, 5, start, best)
        else:
            _strongest(table, rows, windows, width, start, best)
        for j in range(filters):
            value = best[j] + bias[j]
            out[row, column + j] = value if not relu or value > 0 else np.float32(0)


@kernel
def sum_tokens(flat: Any, offsets: Any, table: Any, tail: Any, max_length: int, mean: bool, out: Any) -> None:
    """Compute the sum or the mean of the contributions of each text's tokens.

    Args:
        flat: Token indices of all texts end to end: int32.
        offsets: Start of each text in ``flat``, then the end of the last: int64, shape (n + 1,).
        table: Contribution of a word at a position: float32 or float64, shape (positions, vocabulary, units). With one
            position it is the same at every position.
        tail: Contribution of the padding after n tokens: float64, shape (positions + 1, units).
        max_length: Length in tokens; longer texts lose their beginning; 0 for no limit.
        mean: Whether to compute the mean.
        out: Result: float64, shape (n, units).
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
def dense(inputs: Any, weights: Any, bias: Any, exact: bool, relu: bool, out: Any) -> None:
    """Compute a dense layer, summed in float64: (n, inputs) times (inputs, units) plus (units,).

    For speed, units are a multiple of 16, the size of a vector, and four sums are computed side by side, because each
    addition must wait for the previous one.

    Args:
        inputs: Inputs: float32 or float64, shape (n, inputs).
        weights: Weights: float64, shape (inputs, units).
        bias: Bias: float64, shape (units,).
        exact: Whether inputs and weights are float32 numbers, so that every product is exact. The result is then the
            same in less time.
        relu: Whether values below 0 become 0.
        out: Result: float64, shape (n, units).
    """
    count, units = weights.shape
    wide = np.empty(count, np.float64)
    for row in range(len(inputs)):
        for i in range(count):
            wide[i] = inputs[row, i]
        for at in range(0, units, COUNT):
            a, b, c, d = zeros(weights), zeros(weights), zeros(weights), zeros(weights)
            place = at
            for i in range(0, count - 3, 4):
                if exact:
                    a = add_exact_product(a, item(wide, i), load(weights, place))
                    b = add_exact_product(b, item(wide, i + 1), load(weights, place + units))
                    c = add_exact_product(c, item(wide, i + 2), load(weights, place + 2 * units))
                    d = add_exact_product(d, item(wide, i + 3), load(weights, place + 3 * units))
                else:
                    a = add_product(a, item(wide, i), load(weights, place))
                    b = add_product(b, item(wide, i + 1), load(weights, place + units))
                    c = add_product(c, item(wide, i + 2), load(weights, place + 2 * units))
                    d = add_product(d, item(wide, i + 3), load(weights, place + 3 * units))
                place += 4 * units
            i = count & ~3
            if i < count:
                a = add_product(a, item(wide, i), load(weights, i * units + at))
            if i + 1 < count:
                b = add_product(b, item(wide, i + 1), load(weights, (i + 1) * units + at))
            if i + 2 < count:
                c = add_product(c, item(wide, i + 2), load(weights, (i + 2) * units + at))
            total = add(add(add(a, b), add(c, d)), load(bias, at))
            store(out, row * units + at, larger(total, zeros(weights)) if relu else total)


@kernel
def add_bias(values: Any, bias: Any, relu: bool) -> None:
    """Add a bias to each row, in place."""
    for row in range(len(values)):
        for j in range(len(bias)):
            value = values[row, j] + bias[j]
            values[row, j] = max(value, 0.0) if relu else value


@kernel
def probabilities(logits: Any, out: Any) -> None:
    """Compute the sigmoid of one logit as two columns, or the softmax of several: float64 to float32."""
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
    """Find the window that moves the decision most by some filters, for every text.

    Each filter's value is credited to the window that it comes from, less its value without that window's words, which
    is that of its strongest window without a word in common, or of padding. ``pool_windows`` has the other arguments.

    Args:
        gains: Amount that a unit of each filter adds to the decision: float64, shape (n, filters).
        best: Weight, first token (counted within the text's last ``max_length``) and width of the window that moved the
            decision most so far: float64, shape (n, 3); updated in place.
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
    """Return the strongest window of a filter, and the filter's value without its words."""
    winner = totals[:, j].argmax()
    without = empty
    for first in range(len(totals)):
        if abs(first - winner) >= width and totals[first, j] > without:
            without = totals[first, j]
    return winner, without
