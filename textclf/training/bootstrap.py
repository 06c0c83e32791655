"""Bootstrap intervals of measures: how much a measure would vary with other test rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import ConfigDict

from textclf.common.arrays import Bool, Float64, Int64

Measure = Callable[[Float64], Float64]

_CELLS = 1 << 21  # numbers of one array of draws: 16 MiB
_LEVEL = 0.95
_MACRO = ("macro_precision", "macro_recall", "macro_f1")  # in the order of ``_by_label``


@dataclass(frozen=True)
class Interval:
    """The two ends of an interval."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Bootstrap percentile intervals (Efron and Tibshirani 1993, chapter 13) that contain ``level`` of the draws.

    A draw takes n rows out of n with replacement. A measure ignores the draws in which it is not defined; the area
    under the ROC curve, for example, needs rows of each label. An interval is None if its measure is not defined in any
    draw. The measures with a default are also None for models of earlier releases, which did not have them.

    Attributes:
        level: Share of the draws within an interval.
        resamples: Number of draws.
        seed: Seed of the draws.
        accuracy: Interval of the accuracy.
        macro_f1: Interval of the macro F1.
        log_loss: Interval of the log loss.
        roc_auc: Interval of the area under the ROC curve.
        macro_precision: Interval of the macro precision.
        macro_recall: Interval of the macro recall.
        calibration_error: Interval of the calibration error. The error of a draw is on average larger than that of all
            rows, because repeated rows are noise to it: with few rows or good calibration the interval lies above
            the measure.
        class_f1: Interval of the F1 of each label, in the order of the scores; draws without the label are ignored.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    level: float
    resamples: int
    seed: int
    accuracy: Interval | None
    macro_f1: Interval | None
    log_loss: Interval | None
    roc_auc: Interval | None
    macro_precision: Interval | None = None
    macro_recall: Interval | None = None
    calibration_error: Interval | None = None
    class_f1: tuple[Interval | None, ...] | None = None


def intervals(scores: Float64, labels: Int64, losses: Float64, bins: Int64, resamples: int, seed: int) -> Intervals:
    """Compute the intervals of the measures of ``evaluate``.

    Args:
        scores: Probabilities, shape (n, labels).
        labels: Index of each row's label, shape (n,); -1 for a label that the model does not have.
        losses: Log loss of each row, shape (n,).
        bins: Number of each row's bin for the calibration error, shape (n,).
        resamples: Number of draws.
        seed: Seed of the draws.
    """
    measures: dict[str, Measure] = {
        "accuracy": _accuracy(scores, labels),
        "log_loss": _log_loss(labels, losses),
        "roc_auc": _roc_auc(scores, labels),
        "calibration_error": _calibration_error(scores, labels, bins),
    }
    by_label = _by_label(scores, labels)
    drawn: dict[str, list[Float64]] = {name: [] for name in (*measures, *_MACRO)}
    of_labels: list[Float64] = []
    random, rows = np.random.default_rng(seed), len(labels)
    at_once = max(1, _CELLS // rows)
    for start in range(0, resamples, at_once):
        times = _draw(random, min(at_once, resamples - start), rows)
        for name, measure in measures.items():
            drawn[name].append(measure(times))
        found = by_label(times)
        for name, values in zip(_MACRO, found, strict=True):
            drawn[name].append(_divide(np.nansum(values, axis=1), np.sum(~np.isnan(values), axis=1)))
        of_labels.append(found[-1])
    class_f1 = tuple(_interval([values[:, label] for values in of_labels]) for label in range(scores.shape[1]))
    whole = {name: _interval(values) for name, values in drawn.items()}
    return Intervals(_LEVEL, resamples, seed, **whole, class_f1=class_f1)


def _draw(random: np.random.Generator, draws: int, rows: int) -> Float64:
    """Draw how often each row occurs in each draw, shape (draws, rows); measures are then weighted sums."""
    chosen = random.integers(0, rows, (draws, rows))
    flat = (chosen + np.arange(draws)[:, None] * rows).ravel()
    return np.asarray(np.bincount(flat, minlength=draws * rows).reshape(draws, rows), np.float64)


def _interval(drawn: list[Float64]) -> Interval | None:
    values = np.concatenate([*drawn, np.empty(0)])
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(float(low), float(high))


def _divide(part: Float64, whole: Float64) -> Float64:
    """Return ``part / whole``, NaN where ``whole`` is 0."""
    quotient: Float64 = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def _accuracy(scores: Float64, labels: Int64) -> Measure:
    right = (scores.argmax(axis=1) == labels).astype(np.float64)
    return lambda times: times @ right / len(labels)


def _log_loss(labels: Int64, losses: Float64) -> Measure:
    known = (labels >= 0).astype(np.float64)
    return lambda times: _divide(times @ (losses * known), times @ known)


def _calibration_error(scores: Float64, labels: Int64, bins: Int64) -> Measure:
    gaps = (scores.argmax(axis=1) == labels) - scores.max(axis=1)
    # Rows of a bin * |share of correct rows - mean probability| is the absolute difference of the sums.
    of_bin = np.where(bins[:, None] == np.unique(bins), gaps[:, None], 0.0)
    return lambda times: np.abs(times @ of_bin).sum(axis=1) / len(labels)


def _by_label(scores: Float64, labels: Int64) -> Callable[[Float64], tuple[Float64, Float64, Float64]]:
    """Return the function for precision, recall and F1 of each label in each draw, each of shape (draws, labels).

    As in scikit-learn a measure is 0 if the label is never predicted or has no rows. If both hold it is NaN, since such
    labels do not count.
    """
    every = np.arange(scores.shape[1])
    of_label = (labels[:, None] == every).astype(np.float64)
    predicted = (scores.argmax(axis=1)[:, None] == every).astype(np.float64)
    right = of_label * predicted

    def measure(times: Float64) -> tuple[Float64, Float64, Float64]:
        hits, rows, guesses = times @ right, times @ of_label, times @ predicted
        f1 = _divide(2 * hits, rows + guesses)
        shares = (np.nan_to_num(_divide(hits, whole)) for whole in (guesses, rows))
        precision, recall = (np.where(np.isnan(f1), np.nan, share) for share in shares)
        return precision, recall, f1

    return measure


def _roc_auc(scores: Float64, labels: Int64) -> Measure:
    known, size = labels >= 0, scores.shape[1]
    of_labels = [1] if size == 2 else range(size)
    areas = [_area(scores[known, label], labels[known] == label) for label in of_labels]

    def measure(times: Float64) -> Float64:
        of_known = times if known.all() else times[:, known]
        found: Float64 = np.mean([area(of_known) for area in areas], axis=0)
        return found

    return measure


def _area(scores: Float64, positive: Bool) -> Measure:
    """Return the function for the area under the ROC curve: the share of ordered pairs, with ties counted half.

    See Hanley and McNeil 1982. Rows are sorted once for all draws.
    """
    order = np.argsort(scores, kind="stable")
    ranked, is_positive = scores[order], positive[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))[: len(ranked)]

    def measure(times: Float64) -> Float64:
        if not len(starts):
            return np.full(len(times), np.nan)
        times = times[:, order]
        above = np.add.reduceat(times * is_positive, starts, axis=1)
        below = np.add.reduceat(times * ~is_positive, starts, axis=1)
        pairs = np.sum(above * (np.cumsum(below, axis=1) - below / 2), axis=1)
        return _divide(pairs, above.sum(axis=1) * below.sum(axis=1))

    return measure
