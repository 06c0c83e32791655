"""The order of trials, simulated as Spark runs them: the next free slot takes the next trial."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.factories.trials import INFO, SPACE, search_of
from textclf.config import SearchPlan
from textclf.search.encoded_source import Info
from textclf.search.schedule import ordered
from textclf.search.space import BASELINE
from textclf.search.trial import Trial

PLAN = SearchPlan(strategy="grid", folds=3, space=SPACE)
NINE = SearchPlan(strategy="grid", folds=4, space={"num_filters": [32, 64, 128], "kernel_size": [3, 5, 7]})


def trials_of(*infos: Info, plan: SearchPlan = PLAN) -> list[Trial]:
    return [trial for info in infos for trial in search_of(plan, info).begin()]


def followed(trials: Sequence[Trial], slots: int, seconds: Callable[[Trial], float]) -> tuple[float, list[list[Trial]]]:
    """Return when the last trial ends, and the trials that each slot ran."""
    free, ran = [0.0] * slots, [list[Trial]() for _ in range(slots)]
    for trial in trials:
        slot = min(range(slots), key=free.__getitem__)
        ran[slot].append(trial)
        free[slot] += seconds(trial)
    return max(free), ran


def programs(ran: list[list[Trial]]) -> int:
    """Count the candidates that are new to a slot, summed over all slots."""
    return sum(len({(trial.info.source, trial.candidate) for trial in each}) for each in ran)


def cost(trial: Trial) -> float:
    return trial.cost


@pytest.mark.parametrize(("slots", "most"), [(1, 10), (2, 12), (3, 13), (4, 17), (7, 40)])
def test_no_slot_is_left_alone_and_candidates_keep_to_theirs(slots: int, most: int) -> None:
    trials = trials_of(INFO, plan=NINE)
    end, ran = followed(ordered(trials, slots), slots, cost)

    assert end <= sum(trial.cost for trial in trials) / slots + max(trial.cost for trial in trials) / 3
    # Nine networks and the baseline. With seven slots, few slots run all folds of a network.
    assert programs(ran) <= most
    assert sorted(trial.key for each in ran for trial in each) == sorted(trial.key for trial in trials)


def test_a_slot_mostly_keeps_its_candidate_where_times_are_a_little_off() -> None:
    trials = trials_of(INFO, plan=NINE)
    generator = np.random.default_rng(1)
    met = []
    for _ in range(50):
        off = {trial.key: generator.normal(1, 0.05) for trial in trials}
        _, ran = followed(ordered(trials, 2), 2, lambda trial, off=off: trial.cost * off[trial.key])  # type: ignore[misc]
        met.append(programs(ran))
    # Ordered by cost alone, or fold by fold, both slots would run every candidate: 20.
    assert np.mean(met) < 15


def test_all_folds_of_a_source_that_dwarfs_the_others_begin_first() -> None:
    plan = SearchPlan(strategy="grid", folds=4, space={"num_filters": [4]})
    small = [replace(INFO, source=f"s{number}") for number in range(20)]
    trials = trials_of(*small, replace(INFO, source="large", rows=10_000 * INFO.rows), plan=plan)
    found = ordered(trials, 4)
    assert [(trial.info.source, trial.fold is not None) for trial in found[:4]] == [("large", True)] * 4
    assert {trial.fold for trial in found[:4]} == {0, 1, 2, 3}


def test_more_slots_than_candidates_run_folds_side_by_side() -> None:
    plan = SearchPlan(strategy="grid", folds=4, space={"num_filters": [4]})
    found = ordered(trials_of(INFO, plan=plan), 4)
    assert [trial.fold for trial in found[:4] if trial.candidate.architecture != BASELINE] == [0, 1, 2, 3]


def test_large_trials_begin_first_and_the_baseline_last() -> None:
    found = ordered(search_of(PLAN).begin(), 2)
    networks = [dict(trial.candidate.values)["num_filters"] for trial in found[:-3]]
    assert [trial.candidate.architecture for trial in found[-3:]] == [BASELINE] * 3
    assert set(networks[:3]) == {8, 9}
    assert networks[-1] == 1
