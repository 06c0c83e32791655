import json
import math
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics

from textclf.errors import InputError
from textclf.training.bootstrap import Interval
from textclf.training.evaluation import ClassMeasures, Evaluation, Macro, ReliabilityBin, evaluate, row_losses

Scores = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

# Right, right, wrong, and right with tied probabilities.
SCORES = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.5, 0.5]])
LABELS = np.array([0, 1, 0, 0])


def invented(rows: int, size: int, seed: int = 3) -> tuple[Scores, Labels]:
    """Return random labels and scores that are often right and have ties, like those of a network."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(rows) % size)
    logits = np.round(random.normal(size=(rows, size)), 1)
    logits[np.arange(rows), labels] += 1
    scores = np.exp(logits)
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32), labels.astype(np.int32)


def names(size: int) -> list[str]:
    return [f"label {index}" for index in range(size)]


def test_measures_by_hand() -> None:
    result = evaluate(SCORES, LABELS, ["no", "yes"])
    assert (result.names, result.rows, result.unknown, result.accuracy) == (("no", "yes"), 4, 0, 0.75)
    assert result.confusion == ((2, 1), (0, 1))
    assert result.classes == (ClassMeasures("no", 1.0, 2 / 3, 0.8, 3), ClassMeasures("yes", 0.5, 1.0, 2 / 3, 1))
    assert astuple(result.macro) == pytest.approx((0.75, 5 / 6, 11 / 15))
    assert result.log_loss == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.3) + math.log(0.5)) / 4)
    assert result.brier == pytest.approx((0.01 + 0.04 + 0.49 + 0.25) / 4)
    assert result.roc_auc == 1.0
    # One row per bin: |1 - .5|, |0 - .7|, |1 - .8| and |1 - .9|, each with weight 1/4.
    assert result.calibration_error == pytest.approx((0.5 + 0.7 + 0.2 + 0.1) / 4)
    assert [(b.count, b.confidence, b.accuracy) for b in result.reliability] == [
        (1, 0.5, 1.0),
        (1, 0.7, 0.0),
        (1, 0.8, 1.0),
        (1, 0.9, 1.0),
    ]


def test_bins_are_closed_above() -> None:
    third = 1 / 3
    scores = np.array([[0.6, 0.4, 0.0], [0.6000001, 0.3999999, 0.0], [third, third, third], [1.0, 0.0, 0.0]])
    result = evaluate(scores, np.array([0, 0, 1, 0]), names(3), resamples=1).reliability
    assert [round(15 * found.upper) for found in result] == [5, 9, 10, 15]
    assert result[-1] == ReliabilityBin(14 / 15, 1.0, 1, 1.0, 1.0)


@pytest.mark.parametrize("size", [2, 6])
def test_measures_are_those_of_scikit_learn(size: int) -> None:
    scores, labels = invented(400, size)
    result = evaluate(scores, labels, names(size), resamples=5)
    exact = scores.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    predicted = scores.argmax(axis=1)
    assert result.accuracy == metrics.accuracy_score(labels, predicted)
    assert result.log_loss == pytest.approx(metrics.log_loss(labels, exact), abs=1e-6)
    assert result.macro.f1 == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert result.confusion == tuple(map(tuple, metrics.confusion_matrix(labels, predicted).tolist()))
    assert result.roc_auc == pytest.approx(
        metrics.roc_auc_score(labels, exact[:, 1] if size == 2 else exact, multi_class="ovr")
    )
    squares = np.sum((exact - np.eye(size)[labels]) ** 2, axis=1).mean()
    assert result.brier == pytest.approx(squares / 2 if size == 2 else squares)


@pytest.mark.parametrize(("size", "rows"), [(2, 60), (4, 60), (4, 12)])
def test_intervals_are_those_of_scikit_learn_on_every_draw(
    size: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textclf.training.bootstrap._CELLS", 7 * rows)  # several blocks of draws, the last one shorter
    scores, labels = invented(rows, size)
    result = evaluate(scores, labels, names(size), resamples=80, seed=9).intervals
    exact = scores.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    drawn: dict[str, list[float]] = defaultdict(list)
    random = np.random.default_rng(9)
    for _ in range(80):
        chosen = random.integers(0, rows, rows)
        ours, predicted, given = labels[chosen], scores[chosen].argmax(axis=1), exact[chosen]
        drawn["accuracy"].append(metrics.accuracy_score(ours, predicted))
        for name in ("precision", "recall", "f1"):
            measure = getattr(metrics, f"{name}_score")
            drawn[f"macro_{name}"].append(measure(ours, predicted, average="macro", zero_division=0))
        drawn["log_loss"].append(metrics.log_loss(ours, given, labels=range(size)))
        drawn["calibration_error"].append(evaluate(scores[chosen], ours, names(size), resamples=0).calibration_error)
        if len(np.unique(ours)) == size:
            drawn["roc_auc"].append(metrics.roc_auc_score(ours, given[:, 1] if size == 2 else given, multi_class="ovr"))
        for label in set(ours) | set(predicted):
            drawn[f"f1 of {label}"].append(metrics.f1_score(ours == label, predicted == label, zero_division=0))
    assert result.class_f1 is not None
    found = vars(result) | {f"f1 of {label}": interval for label, interval in enumerate(result.class_f1)}
    for name, values in drawn.items():
        expected = tuple(np.percentile(values, [2.5, 97.5]))
        assert astuple(found[name]) == pytest.approx(expected, abs=1e-6), name


def test_measures_of_a_release_that_had_fewer_intervals_are_read() -> None:
    now = evaluate(SCORES, LABELS, names(2))
    earlier = json.loads(now.to_json())
    for name in ("macro_precision", "macro_recall", "calibration_error", "class_f1"):
        assert earlier["intervals"].pop(name)
    result = Evaluation.from_json(json.dumps(earlier))
    assert result.intervals.macro_f1 == now.intervals.macro_f1
    assert (result.intervals.macro_recall, result.intervals.class_f1) == (None, None)


def test_an_interval_holds_its_measure_and_narrows_with_rows() -> None:
    few, many = (evaluate(*invented(rows, 2), names(2)) for rows in (100, 2500))
    widths = []
    for found in (few, many):
        interval = found.intervals.accuracy
        assert interval is not None
        assert interval.low < found.accuracy < interval.high
        widths.append(interval.high - interval.low)
    # With 25 times the rows it is five times narrower, like the standard error.
    assert 3.5 < widths[0] / widths[1] < 7


def test_the_seed_decides_the_intervals() -> None:
    scores, labels = invented(50, 2)
    found = [evaluate(scores, labels, names(2), seed=seed).intervals for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0].log_loss != found[2].log_loss


def test_perfect_scores() -> None:
    result = evaluate(np.eye(3)[[0, 1, 2, 1]], np.array([0, 1, 2, 1]), names(3))
    assert (result.accuracy, result.macro.f1, result.roc_auc, result.brier) == (1, 1, 1, 0)
    assert result.calibration_error == 0
    assert result.log_loss == pytest.approx(1e-7)
    assert result.intervals.macro_f1 == result.intervals.roc_auc == Interval(1, 1)
    assert result.intervals.macro_recall == result.intervals.macro_precision == Interval(1, 1)
    assert result.intervals.calibration_error == Interval(0, 0)


def test_wrong_and_certain_scores_have_a_finite_loss() -> None:
    result = evaluate(np.array([[1.0, 0.0]]), np.array([1]), names(2))
    assert result.log_loss == pytest.approx(-math.log(1e-7))


def test_a_label_without_predictions_has_no_precision() -> None:
    result = evaluate(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]), names(2))
    assert result.classes[1] == ClassMeasures("label 1", 0.0, 0.0, 0.0, 1)
    assert astuple(result.macro) == pytest.approx((0.25, 0.5, 1 / 3))


def test_one_label_alone_has_no_curve_and_labels_that_never_occur_do_not_count() -> None:
    result = evaluate(np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]]), np.array([0, 0]), names(3))
    assert (result.roc_auc, result.intervals.roc_auc) == (None, None)
    assert result.intervals.class_f1 == (Interval(1, 1), None, None)
    assert result.macro == Macro(1.0, 1.0, 1.0)
    assert result.classes[2] == ClassMeasures("label 2", 0.0, 0.0, 0.0, 0)
    assert result.confusion == ((2, 0, 0), (0, 0, 0), (0, 0, 0))


def test_one_row() -> None:
    result = evaluate(np.array([[0.25, 0.75]]), np.array([1]), names(2))
    assert (result.accuracy, result.brier, result.roc_auc) == (1, 0.0625, None)
    assert result.calibration_error == 0.25
    assert result.intervals.accuracy == Interval(1, 1)


def test_rows_of_unknown_labels_are_wrong_and_have_no_loss() -> None:
    known = evaluate(SCORES, LABELS, names(2))
    result = evaluate(np.vstack([SCORES, [[0.1, 0.9]]]), np.append(LABELS, -1), names(2))
    assert (result.rows, result.unknown, result.accuracy) == (5, 1, 0.6)
    assert (result.log_loss, result.brier, result.roc_auc) == (known.log_loss, known.brier, known.roc_auc)
    assert result.confusion == known.confusion
    assert result.classes[1].precision == pytest.approx(1 / 3)


def test_only_unknown_labels() -> None:
    result = evaluate(np.array([[0.1, 0.9]] * 3), np.array([-1] * 3), names(2))
    assert (result.accuracy, result.log_loss, result.brier, result.roc_auc) == (0, None, None, None)
    assert (result.intervals.log_loss, result.intervals.accuracy) == (None, Interval(0, 0))
    assert result.confusion == ((0, 0), (0, 0))


def test_no_resamples_leave_no_intervals() -> None:
    result = evaluate(SCORES, LABELS, names(2), resamples=0).intervals
    assert (result.accuracy, result.log_loss, result.class_f1) == (None, None, (None, None))


@pytest.mark.parametrize("make", [lambda: (SCORES, LABELS), lambda: invented(1, 2), lambda: invented(30, 5)])
def test_nothing_warns(make: Callable[[], tuple[Any, Any]]) -> None:
    scores, labels = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate(scores, labels, names(scores.shape[1]), resamples=20)


@pytest.mark.parametrize("size", [2, 3])
def test_json_keeps_every_number(size: int) -> None:
    found = evaluate(*invented(40, size), names(size), resamples=20)
    text = found.to_json()
    assert Evaluation.from_json(text) == found
    assert set(json.loads(text)) >= {"accuracy", "log_loss", "confusion", "reliability", "intervals"}
    alone = evaluate(np.array([[0.25, 0.75]]), np.array([1]), names(2))
    assert Evaluation.from_json(alone.to_json().encode()) == alone


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "text.*Invalid JSON"),
        ('{"accuracy": 1}', "names.*required"),
        (evaluate(SCORES, LABELS, names(2)).to_json().replace('"rows":4', '"rows":"x"'), "rows: 'x'"),
        (evaluate(SCORES, LABELS, names(2)).to_json().replace('"low"', '"lower"', 1), "intervals"),
    ],
)
def test_other_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"(?s)cannot be read.*{message}"):
        Evaluation.from_json(text)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.empty((0, 2)), np.empty(0, int), r"cannot be evaluated.*\(0, 2\).*at least one row"),
        (SCORES, LABELS[:3], r"cannot be evaluated.*\(4, 2\), labels of shape \(3,\)"),
        (np.ones((4, 1)), LABELS, r"cannot be evaluated.*\(4, 1\)"),
        (SCORES * 2, LABELS, r"not probabilities.*row 0: \[1.8, 0.2\]"),
        (np.where(SCORES > 0.85, np.nan, SCORES), LABELS, r"not probabilities.*row 0: \[nan"),
        (SCORES, LABELS + 1, "not indices.*row 1: 2.*0 to 1"),
        (SCORES, LABELS - 2, "not indices.*row 0: -2"),
    ],
)
def test_wrong_input_is_named(scores: Any, labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"(?s){message}"):
        evaluate(scores, labels, names(2))


def test_row_losses_are_those_of_their_labels() -> None:
    result = row_losses(SCORES, np.array([0, 1, -1, 0]))
    np.testing.assert_allclose(result, [-math.log(0.9), -math.log(0.8), 0, -math.log(0.5)])
