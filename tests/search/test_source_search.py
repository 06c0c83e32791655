"""The search of one source, from its first trials to the verdict, with made-up results."""

from collections import Counter

import numpy as np
import pytest

from tests.factories.trials import SPACE, search_of
from textclf.config import SearchPlan
from textclf.search.source_search import SourceSearch
from textclf.search.space import BASELINE
from textclf.search.trial import FAILED, SUCCEEDED, Result, Trial


def accuracy(trial: Trial) -> float:
    """Return a made-up accuracy that grows with the number of filters; the baseline gets 0.1."""
    return 0.1 if trial.candidate.architecture == BASELINE else 0.5 + trial.values.num_filters / 100


def run(search: SourceSearch) -> list[list[Trial]]:
    """Run a search to its end and return the trials of each rung."""
    waves, begun = [], search.begin()
    while begun:
        waves.append(begun)
        following: list[Trial] = []
        for trial in begun:
            following += search.done(Result(trial.key, SUCCEEDED, 0.0, 1.0, accuracy(trial), 0.5, 2))
        begun = following
    return waves


def test_halving_ends_with_the_best_for_all_epochs() -> None:
    search = search_of(SearchPlan(strategy="halving", candidates=9, folds=2, epochs=18, space=SPACE))
    waves = run(search)

    networks = [
        Counter(trial.settings.epochs for trial in wave if trial.candidate.architecture == "cnn") for wave in waves
    ]
    assert networks == [{2: 18}, {6: 6}, {18: 2}]
    # The baseline has no epochs, so it only takes part in the first rung.
    assert [sum(trial.candidate.architecture == BASELINE for trial in wave) for wave in waves] == [2, 0, 0]
    assert search.verdict is not None
    assert dict(search.verdict.chosen.trial.candidate.values) == {"num_filters": 9}
    assert search.verdict.chosen.trial.settings.epochs == 18
    assert search.verdict.baseline is not None


def test_a_search_without_a_winner_says_why() -> None:
    search = search_of(SearchPlan(strategy="grid", folds=2, space={"num_filters": [1]}))
    for trial in search.begin():
        search.done(Result(trial.key, FAILED, 0.0, 1.0, error="MemoryError"))

    assert search.verdict is None
    assert search.problem is not None
    assert "MemoryError" in search.problem


def test_a_trial_that_finds_no_memory_loses_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def encoded_source(*_: object) -> None:
        np.zeros(1 << 58)  # more memory than any machine has

    monkeypatch.setattr("textclf.search.trial.encoded_source", encoded_source)
    first = search_of(SearchPlan(strategy="grid", folds=2, space={"num_filters": [2]})).begin()[0]

    result = first.run(None)  # type: ignore[arg-type]  # not reached

    assert (result.key, result.status, result.accuracy) == (first.key, FAILED, None)
    assert result.error is not None
    assert "MemoryError: Unable to allocate" in result.error
