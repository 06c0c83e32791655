"""Bootstrap intervals of measures: how much they would differ on other test rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Measure = Callable[[Floats], Floats]

_CELLS = 1 << 21  # numbers of one array of draws: 16 MiB
_LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """Ends of an interval."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Bootstrap percentile intervals (Efron and Tibshirani 1993, chapter 13) that hold ``level`` of the draws.

    A draw takes as many rows as there are, with replacement. Draws in which a measure is not defined, as the area
    under the ROC curve without rows of a label, do not count for it; None where it is defined in no draw.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    level: float
    resamples: int
    seed: int
    accuracy: Interval | None
    macro_f1: Interval | None
    log_loss: Interval | None
    roc_auc: Interval | None


def intervals(scores: Floats, labels: Ints, losses: Floats, resamples: int, seed: int) -> Intervals:
    """Intervals of the measures of ``evaluate``.

    Args:
        scores: Probabilities, shape (n, labels).
        labels: Index of each row's label, shape (n,); -1 for a label that the model does not have.
        losses: Log loss of each row, shape (n,).
    """
    measures: dict[str, Measure] = {
        "accuracy": _accuracy(scores, labels),
        "macro_f1": _macro_f1(scores, labels),
        "log_loss": _log_loss(labels, losses),
        "roc_auc": _roc_auc(scores, labels),
    }
    drawn: dict[str, list[Floats]] = {name: [] for name in measures}
    random, rows = np.random.default_rng(seed), len(labels)
    at_once = max(1, _CELLS // rows)
    for start in range(0, resamples, at_once):
        times = _draw(random, min(at_once, resamples - start), rows)
        for name, measure in measures.items():
            drawn[name].append(measure(times))
    return Intervals(_LEVEL, resamples, seed, **{name: _interval(values) for name, values in drawn.items()})


def _draw(random: np.random.Generator, draws: int, rows: int) -> Floats:
    """How often each row occurs in each draw, shape (draws, rows): sums then stand for lists of rows."""
    chosen = random.integers(0, rows, (draws, rows))
    flat = (chosen + np.arange(draws)[:, None] * rows).ravel()
    return np.asarray(np.bincount(flat, minlength=draws * rows).reshape(draws, rows), np.float64)


def _interval(drawn: list[Floats]) -> Interval | None:
    values = np.concatenate([*drawn, np.empty(0)])
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(float(low), float(high))


def _divide(part: Floats, whole: Floats) -> Floats:
    """``part / whole``, not a number where nothing is divided."""
    quotient: Floats = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def _accuracy(scores: Floats, labels: Ints) -> Measure:
    right = (scores.argmax(axis=1) == labels).astype(np.float64)
    return lambda times: times @ right / len(labels)


def _log_loss(labels: Ints, losses: Floats) -> Measure:
    known = (labels >= 0).astype(np.float64)
    return lambda times: _divide(times @ (losses * known), times @ known)


def _macro_f1(scores: Floats, labels: Ints) -> Measure:
    every = np.arange(scores.shape[1])
    of_label = labels[:, None] == every
    predicted = scores.argmax(axis=1)[:, None] == every
    right, either = (of_label & predicted).astype(np.float64), of_label.astype(np.float64) + predicted

    def measure(times: Floats) -> Floats:
        # F1 = 2 TP / (rows of the label + predictions); a label with neither does not count.
        f1 = _divide(2 * (times @ right), times @ either)
        return _divide(np.nansum(f1, axis=1), np.sum(~np.isnan(f1), axis=1))

    return measure


def _roc_auc(scores: Floats, labels: Ints) -> Measure:
    known, size = labels >= 0, scores.shape[1]
    of_labels = [1] if size == 2 else range(size)
    areas = [_area(scores[known, label], labels[known] == label) for label in of_labels]

    def measure(times: Floats) -> Floats:
        of_known = times if known.all() else times[:, known]
        found: Floats = np.mean([area(of_known) for area in areas], axis=0)
        return found

    return measure


def _area(scores: Floats, positive: npt.NDArray[np.bool_]) -> Measure:
    """Area under the ROC curve as the share of pairs in order, equal scores half (Hanley and McNeil 1982).

    Rows are sorted once for all draws.
    """
    order = np.argsort(scores, kind="stable")
    ranked, is_positive = scores[order], positive[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))[: len(ranked)]

    def measure(times: Floats) -> Floats:
        if not len(starts):
            return np.full(len(times), np.nan)
        times = times[:, order]
        above = np.add.reduceat(times * is_positive, starts, axis=1)
        below = np.add.reduceat(times * ~is_positive, starts, axis=1)
        pairs = np.sum(above * (np.cumsum(below, axis=1) - below / 2), axis=1)
        return _divide(pairs, above.sum(axis=1) * below.sum(axis=1))

    return measure
