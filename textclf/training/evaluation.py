"""Evaluation of scores: measures with intervals, the confusion matrix and the calibration, as one object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, TypeAdapter, ValidationError

from textclf.common.arrays import Bool, Float64, Int64
from textclf.errors import InputError
from textclf.quality.score_bins import bin_edges
from textclf.training.bootstrap import Intervals, intervals

EPSILON = 1e-7  # as in Keras: probabilities are clipped this far from 0 and 1 before taking the logarithm
_FORBID = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class ClassMeasures:
    """Measures of one label. Precision is 0 if the label is never predicted, recall is 0 if it has no rows.

    Attributes:
        name: The label.
        precision: Share of correct rows among those predicted as the label.
        recall: Share of correct rows among those of the label.
        f1: Harmonic mean of precision and recall.
        support: Number of rows of the label.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Macro:
    """Means over the labels that occur in the rows or the predictions, as in scikit-learn."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows whose highest probability is in (lower, upper].

    Attributes:
        lower: Lower end of the bin, excluded.
        upper: Upper end of the bin, included.
        count: Number of rows.
        confidence: Mean of the highest probability.
        accuracy: Share of correct rows.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """Measures of scores against labels.

    The predicted label is the one with the highest probability, the first of ties. A row with a label that the model
    does not have counts as wrong in accuracy, precision and calibration; the other measures leave it out.

    Attributes:
        names: Labels, in the order of the scores.
        rows: Number of rows.
        unknown: Number of rows with a label that the model does not have.
        accuracy: Share of correct rows.
        log_loss: Mean of -ln of the probability of the row's label; None if all rows have unknown labels.
        macro: Means of precision, recall and F1 over the labels.
        classes: Measures of each label, in the order of the scores.
        roc_auc: Area under the ROC curve: of the second of two labels, otherwise the mean over labels of one label
            against the rest. None if a label has no rows or all rows.
        brier: Mean squared distance of probabilities from the truth (Brier 1950): halved for two labels, between
            0 and 1; otherwise summed over labels, between 0 and 2. None if all rows have unknown labels.
        calibration_error: Expected calibration error in ``BINS`` bins of equal width: mean distance between
            highest probability and share of correct rows, weighted by rows.
        reliability: The bins that have rows, in order.
        confusion: Numbers of rows by label (rows) and prediction (columns), without rows of unknown labels.
        intervals: Bootstrap intervals of the measures.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    names: tuple[str, ...]
    rows: int
    unknown: int
    accuracy: float
    log_loss: float | None
    macro: Macro
    classes: tuple[ClassMeasures, ...]
    roc_auc: float | None
    brier: float | None
    calibration_error: float
    reliability: tuple[ReliabilityBin, ...]
    confusion: tuple[tuple[int, ...], ...]
    intervals: Intervals

    def to_json(self) -> str:
        """Return one JSON object; ``from_json`` reads exactly the same numbers."""
        return _adapter().dump_json(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Evaluation":
        """Parse the output of ``to_json``.

        Raises:
            InputError: The text is not JSON, or an entry is wrong, missing or unknown.
        """
        try:
            return _adapter().validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InputError(
                "These measures cannot be read.",
                received=f"{'.'.join(map(str, first['loc'])) or 'text'}: {str(first['input'])[:80]!r}",
                expected=first["msg"],
                fix="evaluate the model again with this release",
            ) from error


def _adapter() -> TypeAdapter[Evaluation]:
    return TypeAdapter(Evaluation)


def evaluate(
    scores: npt.NDArray[Any], labels: npt.NDArray[Any], names: Sequence[str], *, resamples: int = 1000, seed: int = 0
) -> Evaluation:
    """Measure probabilities against labels.

    Args:
        scores: Probabilities, shape (n, labels); each row sums to 1.
        labels: Index of each row's label, shape (n,); -1 for a label that the model does not have.
        names: Labels, in the order of the scores.
        resamples: Number of bootstrap draws for the intervals.
        seed: Seed of the draws.

    Raises:
        InputError: There are no rows, the shapes do not fit together, or numbers are not probabilities or indices.
    """
    _check(scores, labels, names)
    scores, labels = scores.astype(np.float64), labels.astype(np.int64)
    predicted, known = scores.argmax(axis=1), labels >= 0
    classes, macro = _by_class(labels, predicted, names)
    confidence = scores.max(axis=1)
    places = _places(confidence)
    bins = _reliability(confidence, predicted == labels, places)
    losses = row_losses(scores, labels)
    return Evaluation(
        names=tuple(names),
        rows=len(labels),
        unknown=int(np.sum(~known)),
        accuracy=float(np.mean(predicted == labels)),
        log_loss=float(losses[known].mean()) if known.any() else None,
        macro=macro,
        classes=classes,
        roc_auc=_roc_auc(scores[known], labels[known]),
        brier=_brier(scores[known], labels[known]),
        calibration_error=sum(found.count * abs(found.accuracy - found.confidence) for found in bins) / len(labels),
        reliability=bins,
        confusion=_confusion(labels, predicted, len(names)),
        intervals=intervals(scores, labels, losses, places, resamples, seed),
    )


def row_losses(scores: Float64, labels: Int64) -> Float64:
    """Compute each row's -ln of the probability of its label, shape (n,); 0 for a label that the model does not have.

    scikit-learn's log loss does not serve: it returns only the mean, while bootstrap draws need single rows, and it
    clips probabilities at the epsilon of the number type, while Keras' loss clips at ``EPSILON``.
    """
    of_label = scores[np.arange(len(labels)), np.maximum(labels, 0)]
    losses: Float64 = np.where(labels >= 0, -np.log(np.clip(of_label, EPSILON, 1 - EPSILON)), 0.0)
    return losses


def _check(scores: npt.NDArray[Any], labels: npt.NDArray[Any], names: Sequence[str]) -> None:
    expected = f"at least one row, scores of shape (n, {len(names)}), labels of shape (n,), at least two names"
    if len(names) < 2 or labels.ndim != 1 or scores.shape != (len(labels), len(names)) or not len(labels):
        received = f"scores of shape {scores.shape}, labels of shape {labels.shape}, {len(names)} names"
        raise InputError("These scores cannot be evaluated.", received=received, expected=expected)
    # In single precision sums are within 1e-5 of 1; a sum farther off was never normalised.
    wrong = np.flatnonzero(~((scores >= 0).all(axis=1) & (np.abs(scores.sum(axis=1) - 1) < 1e-3)))
    if len(wrong):
        received = f"row {wrong[0]}: {scores[wrong[0]].tolist()}"
        raise InputError("These scores are not probabilities.", received=received, expected="rows that sum to 1")
    wrong = np.flatnonzero((labels < -1) | (labels >= len(names)))
    if len(wrong):
        received = f"row {wrong[0]}: {labels[wrong[0]]}"
        expected = f"0 to {len(names) - 1}, or -1 for a label that the model does not have"
        raise InputError("These labels are not indices of the scores.", received=received, expected=expected)


def _by_class(labels: Int64, predicted: Int64, names: Sequence[str]) -> tuple[tuple[ClassMeasures, ...], Macro]:
    from sklearn.metrics import precision_recall_fscore_support

    every = np.arange(len(names))
    columns = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    rows = zip(names, *(column.tolist() for column in columns), strict=True)
    occurring = np.isin(every, labels) | np.isin(every, predicted)
    precision, recall, f1 = (float(column[occurring].mean()) for column in columns[:3])
    return tuple(ClassMeasures(*row) for row in rows), Macro(precision, recall, f1)


def _confusion(labels: Int64, predicted: Int64, size: int) -> tuple[tuple[int, ...], ...]:
    from sklearn.metrics import confusion_matrix

    known = labels >= 0  # without rows, scikit-learn raises instead of counting zeros
    if not known.any():
        return ((0,) * size,) * size
    counts = confusion_matrix(labels[known], predicted[known], labels=np.arange(size))
    return tuple(tuple(row) for row in counts.tolist())


def _roc_auc(scores: Float64, labels: Int64) -> float | None:
    from sklearn.metrics import roc_auc_score

    size = scores.shape[1]
    if len(np.unique(labels)) < size:
        return None
    of_labels = [1] if size == 2 else range(size)
    return float(np.mean([roc_auc_score(labels == label, scores[:, label]) for label in of_labels]))


def _brier(scores: Float64, labels: Int64) -> float | None:
    from sklearn.metrics import brier_score_loss

    if not len(labels):
        return None
    # scikit-learn warns about sums that single precision leaves slightly off 1.
    exact = np.clip(scores / scores.sum(axis=1, keepdims=True), 0, 1)
    return float(brier_score_loss(labels, exact, labels=np.arange(scores.shape[1])))


def _places(confidence: Float64) -> Int64:
    """Return the bin of each row, shape (n,); bins are open below and closed above, as in the paper."""
    return np.searchsorted(bin_edges()[1:-1], confidence, side="left")


def _reliability(confidence: Float64, right: Bool, places: Int64) -> tuple[ReliabilityBin, ...]:
    edges, found = bin_edges(), []
    for index in np.unique(places):
        inside = places == index
        means = float(confidence[inside].mean()), float(right[inside].mean())
        found.append(ReliabilityBin(float(edges[index]), float(edges[index + 1]), int(inside.sum()), *means))
    return tuple(found)
