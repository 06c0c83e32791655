"""Selection of the best candidate."""

from dataclasses import replace
from typing import Any

import pytest

from tests.factories.trials import trial
from textclf.config import SearchPlan
from textclf.search.encoded_source import Info
from textclf.search.selection import CandidateResult, candidate_result, choose
from textclf.search.trial import FoldPlan, Result
from textclf.training.settings import FitSettings


def stands(accuracy: float, name: str = "cnn", error: float = 0.01, **values: int) -> CandidateResult:
    return CandidateResult(trial(name, **values), accuracy, 0.5, error, 3)


LARGE = stands(0.85, num_filters=64)
SMALL = stands(0.845, num_filters=8)
TINY = stands(0.8, num_filters=2)


def test_the_best_mean_wins() -> None:
    verdict = choose([TINY, stands(0.82, "logistic_regression"), LARGE, SMALL], SearchPlan())

    assert (verdict.chosen, verdict.best, verdict.beats_baseline) == (LARGE, LARGE, True)


def test_the_smallest_within_one_standard_error_of_the_best() -> None:
    plan = SearchPlan(one_standard_error=True)
    verdict = choose([TINY, stands(0.82, "logistic_regression"), LARGE, SMALL], plan)

    assert (verdict.chosen, verdict.best) == (SMALL, LARGE)
    assert "standard error" in verdict.rule


@pytest.mark.parametrize("accuracy", [0.85, 0.9])
def test_a_network_that_does_not_beat_the_baseline_is_not_chosen(accuracy: float) -> None:
    baseline = stands(accuracy, "logistic_regression")
    verdict = choose([LARGE, baseline], SearchPlan())

    assert (verdict.chosen, verdict.beats_baseline) == (baseline, False)
    assert choose([LARGE, baseline], SearchPlan(beat_baseline=False)).chosen is LARGE


def test_a_candidate_that_failed_in_one_fold_does_not_stand() -> None:
    good = [
        (trial("cnn", fold), Result(f"{fold}", "succeeded", 0, 1, 0.8 + fold / 10, 0.4, fold + 1)) for fold in (0, 1)
    ]
    found = candidate_result(good)

    assert found is not None
    assert found.accuracy == pytest.approx(0.85)
    assert found.epochs == 1
    assert found.standard_error == pytest.approx(0.05)
    assert candidate_result([*good, (trial("cnn", 2), Result("2", "diverged", 0, 1, error="loss is nan"))]) is None


def test_what_makes_a_trial_another_one() -> None:
    same = trial("cnn", num_filters=8)

    assert same.key == trial("cnn", num_filters=8).key
    others = [trial("cnn", 1, num_filters=8), trial("cnn", num_filters=9)]
    others += [replace(same, **{name: value}) for name, value in CHANGED.items()]
    assert len({each.key for each in [same, *others]}) == 1 + len(others)


CHANGED: dict[str, Any] = {
    "info": Info("s", "another", ["0", "1"], 100, 20, {"keras": 50, "words": 60}, 20),
    "settings": FitSettings(epochs=6, batch_size=10, seed=1),
    "plan": FoldPlan(4, 2),
    "outer": 1,
    "engine": "tensorflow",
}
