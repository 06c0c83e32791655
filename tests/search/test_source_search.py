"""Candidates on their way to a verdict, their results given by the tests."""

from collections import Counter

import numpy as np
import pytest

from tests.factories.trials import SPACE, race_of
from textclf.config import SearchPlan
from textclf.search.source_search import Race
from textclf.search.space import BASELINE
from textclf.search.trial import FAILED, SUCCEEDED, Result, Trial


def accuracy(trial: Trial) -> float:
    """More filters are better here, and the baseline is bad."""
    return 0.1 if trial.choice.architecture == BASELINE else 0.5 + trial.values.num_filters / 100


def run(race: Race) -> list[list[Trial]]:
    """All rungs of a race."""
    waves, begun = [], race.begin()
    while begun:
        waves.append(begun)
        following: list[Trial] = []
        for trial in begun:
            following += race.done(Result(trial.key, SUCCEEDED, 0.0, 1.0, accuracy(trial), 0.5, 2))
        begun = following
    return waves


def test_halving_ends_with_the_best_for_all_epochs() -> None:
    race = race_of(SearchPlan(strategy="halving", candidates=9, folds=2, epochs=18, space=SPACE))
    waves = run(race)

    networks = [
        Counter(trial.settings.epochs for trial in wave if trial.choice.architecture == "cnn") for wave in waves
    ]
    assert networks == [{2: 18}, {6: 6}, {18: 2}]
    # It has no epochs, so that its first trials are its last.
    assert [sum(trial.choice.architecture == BASELINE for trial in wave) for wave in waves] == [2, 0, 0]
    assert race.verdict is not None
    assert dict(race.verdict.chosen.trial.choice.values) == {"num_filters": 9}
    assert race.verdict.chosen.trial.settings.epochs == 18
    assert race.verdict.baseline is not None


def test_a_race_without_a_winner_says_why() -> None:
    race = race_of(SearchPlan(strategy="grid", folds=2, space={"num_filters": [1]}))
    for trial in race.begin():
        race.done(Result(trial.key, FAILED, 0.0, 1.0, error="MemoryError"))

    assert race.verdict is None
    assert race.problem is not None
    assert "MemoryError" in race.problem


def test_a_trial_that_finds_no_memory_loses_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def encoded_source(_: object) -> None:
        np.zeros(1 << 58)  # an eighth of what a processor can address

    monkeypatch.setattr("textclf.search.trial.encoded_source", encoded_source)
    first = race_of(SearchPlan(strategy="grid", folds=2, space={"num_filters": [2]})).begin()[0]

    result = first.run()

    assert (result.key, result.status, result.accuracy) == (first.key, FAILED, None)
    assert result.error is not None
    assert "MemoryError: Unable to allocate" in result.error
