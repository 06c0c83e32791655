"""The order of trials, followed as Spark does: whichever slot is free takes the next."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.search.test_choice import INFO
from tests.search.test_race import PIPELINE, SPACE, race_of
from textclf.config import SearchPlan
from textclf.search.encoded import Info
from textclf.search.order import ordered
from textclf.search.race import Race, entrants
from textclf.search.space import BASELINE
from textclf.search.trial import FoldPlan, Trial

PLAN = SearchPlan(strategy="grid", folds=3, space=SPACE)


def trials_of(*infos: Info, plan: SearchPlan = PLAN) -> list[Trial]:
    races = [Race(info, plan, FoldPlan(plan.folds, 1), None, "jax", entrants(PIPELINE, plan)) for info in infos]
    return [trial for race in races for trial in race.begin()]


def followed(trials: Sequence[Trial], slots: int, seconds: Callable[[Trial], float]) -> tuple[float, list[list[Trial]]]:
    """When the last of them ends, and what each slot ran."""
    free, ran = [0.0] * slots, [list[Trial]() for _ in range(slots)]
    for trial in trials:
        slot = min(range(slots), key=free.__getitem__)
        ran[slot].append(trial)
        free[slot] += seconds(trial)
    return max(free), ran


def programs(ran: list[list[Trial]]) -> int:
    """How often a slot meets a candidate that it has not had."""
    return sum(len({(trial.info.source, trial.choice) for trial in each}) for each in ran)


def cost(trial: Trial) -> float:
    return trial.cost


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 7])
def test_no_slot_is_left_alone_and_candidates_keep_to_theirs(slots: int) -> None:
    trials = trials_of(INFO, replace(INFO, source="t", rows=3 * INFO.rows))
    end, ran = followed(ordered(trials, slots), slots, cost)

    evenly = sum(trial.cost for trial in trials) / slots
    assert end <= evenly + max(trial.cost for trial in trials) / 3
    # Each candidate once, and those at the end of the search on as many slots as wait for work.
    assert programs(ran) <= 20 + 4 * (slots - 1)
    assert sorted(trial.key for each in ran for trial in each) == sorted(trial.key for trial in trials)


def test_trials_that_take_other_times_than_they_should_leave_no_slot_alone() -> None:
    trials = trials_of(INFO, replace(INFO, source="t"))

    def seconds(trial: Trial) -> float:
        return trial.cost * (0.5 + int(trial.key[:2], 16) / 256)

    end, _ = followed(ordered(trials, 3), 3, seconds)
    assert end <= sum(map(seconds, trials)) / 3 + max(map(seconds, trials))


def test_all_folds_of_a_source_that_dwarfs_the_others_begin_first() -> None:
    plan = SearchPlan(strategy="grid", folds=4, space={"num_filters": [4]})
    small = [replace(INFO, source=f"s{number}") for number in range(20)]
    trials = trials_of(*small, replace(INFO, source="large", rows=10_000 * INFO.rows), plan=plan)
    found = ordered(trials, 4)
    assert [(trial.info.source, trial.fold is not None) for trial in found[:4]] == [("large", True)] * 4
    assert {trial.fold for trial in found[:4]} == {0, 1, 2, 3}


def test_more_slots_than_candidates_run_folds_side_by_side() -> None:
    plan = SearchPlan(strategy="grid", folds=4, space={"num_filters": [4]})
    trials = trials_of(INFO, plan=plan)
    _, ran = followed(ordered(trials, 4), 4, cost)
    networks = [[trial for trial in each if trial.choice.architecture != BASELINE] for each in ran]
    assert [len(each) for each in networks] == [1] * 4


def test_large_trials_begin_first_and_the_baseline_last() -> None:
    found = ordered(race_of(PLAN).begin(), 2)
    networks = [dict(trial.choice.values)["num_filters"] for trial in found[:-3]]
    assert [trial.choice.architecture for trial in found[-3:]] == [BASELINE] * 3
    assert set(networks[:3]) == {8, 9}
    assert networks[-1] == 1
