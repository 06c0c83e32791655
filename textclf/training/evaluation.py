"""How good scores are: measures with intervals, the confusion matrix and the calibration, as one object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, TypeAdapter, ValidationError

from textclf.common.arrays import Bool, Float64, Int64
from textclf.common.score_bins import bin_edges
from textclf.errors import InputError
from textclf.training.bootstrap import Intervals, intervals

EPSILON = 1e-7  # Keras': probabilities are kept this far from 0 and 1 under a logarithm
_FORBID = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class ClassMeasures:
    """Measures of one label: precision and recall are 0 where nothing was predicted, or nothing is of the label.

    Attributes:
        support: Rows of the label.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Macro:
    """Means over the labels that occur among the rows or the predictions, as scikit-learn takes them."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows whose highest probability lies in (lower, upper]: its mean, and the share that was right."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """Measures of scores against labels.

    The predicted label is the one of the highest probability, the first of equal ones. Rows of a label that the
    model does not have are wrong: they count in the accuracy, precision and calibration; no other measure is
    defined for them.

    Attributes:
        names: Labels, in the order of the scores.
        rows: Number of rows.
        unknown: Rows of a label that the model does not have.
        log_loss: Mean of -ln of the probability of the row's label; None where no row's label is known.
        roc_auc: Area under the ROC curve: of the second of two labels, else the mean of each label against the
            rest; None where a label has no rows, or all.
        brier: Mean squared distance of probabilities from the truth (Brier 1950): halved for two labels, between
            0 and 1, else summed over labels, between 0 and 2; None where no row's label is known.
        calibration_error: Expected calibration error in ``BINS`` bins of equal width: mean distance between
            highest probability and share of right rows, weighted by rows.
        reliability: The bins that hold rows, in order.
        confusion: Rows by label, columns by prediction; rows of unknown labels are not in it.
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
        """One JSON object; numbers are written so that ``from_json`` reads the same."""
        return _adapter().dump_json(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Evaluation":
        """What ``to_json`` wrote.

        Raises:
            InputError: It is not JSON, or an entry is wrong, missing or unknown.
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
        resamples: Draws of n rows behind the intervals.
        seed: Of the draws.

    Raises:
        InputError: No rows, shapes that do not belong together, or numbers that are no probabilities or indices.
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
    """Each row's -ln of the probability of its label, shape (n,); 0 for a label that the model does not have.

    Single rows are needed to resample, so that scikit-learn's mean is of no use; and its smallest probability
    is that of the number type, while the loss that Keras reports ends at ``EPSILON``.
    """
    of_label = scores[np.arange(len(labels)), np.maximum(labels, 0)]
    losses: Float64 = np.where(labels >= 0, -np.log(np.clip(of_label, EPSILON, 1 - EPSILON)), 0.0)
    return losses


def _check(scores: npt.NDArray[Any], labels: npt.NDArray[Any], names: Sequence[str]) -> None:
    expected = f"one row or more, scores of shape (n, {len(names)}), labels of shape (n,), two names or more"
    if len(names) < 2 or labels.ndim != 1 or scores.shape != (len(labels), len(names)) or not len(labels):
        received = f"scores of shape {scores.shape}, labels of shape {labels.shape}, {len(names)} names"
        raise InputError("These scores cannot be evaluated.", received=received, expected=expected)
    # Single precision leaves sums within 1e-5 of 1; what is farther off was not normalised.
    wrong = np.flatnonzero(~((scores >= 0).all(axis=1) & (np.abs(scores.sum(axis=1) - 1) < 1e-3)))
    if len(wrong):
        received = f"row {wrong[0]}: {scores[wrong[0]].tolist()}"
        raise InputError("These scores are no probabilities.", received=received, expected="rows that sum to 1")
    wrong = np.flatnonzero((labels < -1) | (labels >= len(names)))
    if len(wrong):
        received = f"row {wrong[0]}: {labels[wrong[0]]}"
        expected = f"0 to {len(names) - 1}, or -1 for a label that the model does not have"
        raise InputError("These labels are no indices of the scores.", received=received, expected=expected)


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

    known = labels >= 0  # without any, scikit-learn refuses instead of counting zeros
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
    # Sums that single precision leaves beside 1 would make scikit-learn warn.
    exact = np.clip(scores / scores.sum(axis=1, keepdims=True), 0, 1)
    return float(brier_score_loss(labels, exact, labels=np.arange(scores.shape[1])))


def _places(confidence: Float64) -> Int64:
    """The bin of each row, shape (n,): open below and closed above, as in the paper."""
    return np.searchsorted(bin_edges()[1:-1], confidence, side="left")


def _reliability(confidence: Float64, right: Bool, places: Int64) -> tuple[ReliabilityBin, ...]:
    edges, found = bin_edges(), []
    for index in np.unique(places):
        inside = places == index
        means = float(confidence[inside].mean()), float(right[inside].mean())
        found.append(ReliabilityBin(float(edges[index]), float(edges[index + 1]), int(inside.sum()), *means))
    return tuple(found)
