"""The gate's checks on given figures, without tables."""

from collections import Counter
from datetime import date

import numpy as np
import pytest
from scipy import stats

from textclf.config import Gate
from textclf.quality.audit import Figures, collected, score_bin
from textclf.quality.gate import (
    Baseline,
    Report,
    chance_of_difference,
    chance_of_distance,
    judge,
    ks_distance,
    refusal,
    stability_index,
)
from textclf.quality.score_bins import BINS
from textclf.storage.publish import Slice

DAY = date(2026, 1, 31)
DEFAULT = Gate()
LOW, HIGH = [0] * 7 + [500, 300, 200] + [0] * 5, [0] * 12 + [200, 300, 500]


def figures(
    positive: int = 500, scores: list[int] = LOW, unknown: int = 0, rejected: dict[str, int] | None = None
) -> Figures:
    labels = Counter({"0": sum(scores) - positive, "1": positive})
    return Figures(Slice(DAY, "yelp"), Counter(rejected or {}), unknown, labels, list(scores))


def ask(
    *found: Figures,
    gate: Gate = DEFAULT,
    before: Figures | None = None,
    tested: Figures | None = None,
    input_rows: int | None = None,
    repeated: int | None = None,
) -> Report:
    return judge(
        found,
        gate,
        input_rows=sum(each.rows for each in found) if input_rows is None else input_rows,
        repeated=repeated,
        published={"yelp": {DAY: Baseline.of([before])}} if before else {},
        tested={"yelp": Baseline.of([tested])} if tested else {},
    )


def failed(report: Report) -> list[str]:
    return [check.name for check in report.failed]


def test_what_is_like_before_passes() -> None:
    report = ask(figures(), before=figures(positive=480), tested=figures(positive=520))
    assert failed(report) == []
    assert report.to_json()["verdict"] == "passed"
    assert set(report.to_json()["checks"]) == {
        "counts",
        "rejects",
        "unknown",
        *(
            f"{what}, {against}"
            for what in ("psi of labels", "psi of scores", "ks of scores")
            for against in ("published", "test rows")
        ),
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (figures(rejected={"null_text": 300}), ["rejects", "rejects"]),  # for the run, and for the slice
        (figures(rejected={"no_model": 300}), ["rejects"]),  # rows without a model do not count against the slice
        (figures(unknown=700), ["unknown"]),
        (figures(positive=990), ["psi of labels, published"]),
        (figures(scores=HIGH), ["psi of scores, published", "ks of scores, published"]),
    ],
)
def test_each_check_refuses_what_it_is_for(found: Figures, expected: list[str]) -> None:
    report = ask(found, before=figures())
    assert failed(report) == expected
    said = str(refusal(report, "RUN", "the/staging"))
    assert "the/staging" in said
    assert "--publish-anyway RUN --reason" in said
    assert all(check.received in said and check.expected in said for check in report.failed)


def test_counts_and_repeated_ids_have_no_tolerance() -> None:
    assert failed(ask(figures(), input_rows=1001)) == ["counts"]
    assert failed(ask(figures(), repeated=1)) == ["unique_ids"]
    assert failed(ask(figures(), repeated=0)) == []


def test_a_share_that_chance_explains_passes() -> None:
    few = figures(positive=3, scores=[0] * 14 + [3], rejected={"null_text": 2})
    assert failed(ask(few)) == []  # 2 of 5; at a rate of 1 in 10 chance gives this once in 12
    many = figures(positive=300, scores=[0] * 14 + [300], rejected={"null_text": 200})
    assert failed(ask(many)) == ["rejects", "rejects"]


def test_drift_needs_rows_and_significance() -> None:
    shifted = figures(positive=99, scores=[0] * 14 + [100])
    assert failed(ask(shifted, before=figures())) == []  # fewer rows than min_rows
    assert "psi of labels, published" in failed(ask(shifted, before=figures(), gate=Gate(min_rows=50)))
    noisy = figures(positive=7, scores=[0] * 14 + [10])
    half = figures(positive=5, scores=[0] * 14 + [10])
    assert failed(ask(noisy, before=half, gate=Gate(min_rows=5, max_psi=0.01))) == []


def test_test_rows_bind_only_where_the_file_says_so() -> None:
    assert failed(ask(figures(), tested=figures(scores=HIGH))) == []
    noted = ask(figures(), tested=figures(scores=HIGH)).to_json()["checks"]["ks of scores, test rows"]
    assert noted["limit"] is None
    assert noted["highest"] == 1.0
    bound = Gate(max_psi_test=0.25, max_ks_test=0.3)
    assert failed(ask(figures(), tested=figures(scores=HIGH), gate=bound)) == [
        "psi of scores, test rows",
        "ks of scores, test rows",
    ]


def test_the_index_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(1)
    now, then = rng.integers(50, 500, 15), rng.integers(50, 500, 15)
    p, q = (now + 0.5) / (now + 0.5).sum(), (then + 0.5) / (then + 0.5).sum()
    assert stability_index(now.tolist(), then.tolist()) == pytest.approx(float(((p - q) * np.log(p / q)).sum()))
    assert stability_index([10, 20], [100, 200]) == pytest.approx(0, abs=1e-3)
    assert stability_index([1000, 0], [0, 1000]) > 10


def test_tests_agree_with_scipy_on_single_values() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 15, 4000), rng.integers(0, 14, 3000)
    now, then = (np.bincount(each, minlength=15).tolist() for each in (a, b))
    exact = stats.ks_2samp(a, b, method="asymp")
    assert ks_distance(now, then) == pytest.approx(exact.statistic)
    assert chance_of_distance(exact.statistic, 4000, 3000) == pytest.approx(exact.pvalue, rel=0.2)
    assert chance_of_difference(now, then) < 1e-10
    assert chance_of_difference([5, 0], [9, 0]) == 1.0


def test_bins_are_open_below_and_closed_above() -> None:
    assert [score_bin(score) for score in (0.0, 1 / 15, 1 / 15 + 1e-9, 0.5, 1.0)] == [0, 0, 1, 7, BINS - 1]


def test_figures_survive_the_record() -> None:
    groups = [
        {"ds": DAY, "source": None, "reason": "null_text", "label": None, "bin": None, "rows": 2, "unknown": 0},
        {"ds": DAY, "source": "b", "reason": None, "label": "1", "bin": 14, "rows": 3, "unknown": 1},
        {"ds": None, "source": "b", "reason": "bad_date", "label": None, "bin": None, "rows": 1, "unknown": 0},
    ]
    found = collected(groups)
    assert [(each.slice, each.rows, each.scored, each.unknown) for each in found] == [
        (Slice(None, "b"), 1, 0, 0),
        (Slice(DAY, None), 2, 0, 0),
        (Slice(DAY, "b"), 3, 3, 1),
    ]
    assert [Figures.from_json(each.to_json()) for each in found] == found
