"""Candidates drawn from a search space."""

from typing import Any

import pytest

from textclf.config import SearchPlan
from textclf.errors import UsageError
from textclf.search.halving import rungs
from textclf.search.space import BASELINE, candidates

GRID: dict[str, Any] = {"num_filters": [32, 64, 128], "kernel_size": [3, 5, 7]}


def plan(**values: Any) -> SearchPlan:
    return SearchPlan.model_validate(values)


def test_a_grid_is_every_combination_and_the_baseline() -> None:
    found = candidates(plan(strategy="grid", space=GRID), seed=1)

    assert [dict(candidate.values) for candidate in found[:4]] == [
        {"num_filters": 32, "kernel_size": 3},
        {"num_filters": 32, "kernel_size": 5},
        {"num_filters": 32, "kernel_size": 7},
        {"num_filters": 64, "kernel_size": 3},
    ]
    assert len(set(found)) == len(found) == 10
    assert found[-1].architecture == BASELINE


def test_a_finite_space_is_drawn_from_without_replacement() -> None:
    drawn = candidates(plan(space=GRID, candidates=9), seed=3)

    assert set(drawn) == set(candidates(plan(strategy="grid", space=GRID), seed=1))
    assert candidates(plan(space=GRID, candidates=4), seed=3) == candidates(plan(space=GRID, candidates=4), seed=3)
    assert candidates(plan(space=GRID, candidates=4), seed=3) != candidates(plan(space=GRID, candidates=4), seed=4)


def test_a_large_finite_space_is_not_listed() -> None:
    space = {key: list(range(1, 1001)) for key in ("num_filters", "kernel_size", "embedding_dim")}

    assert len(candidates(plan(space=space, candidates=3), seed=1)) == 4


def test_continuous_ranges_are_kept_and_spread_over_magnitudes() -> None:
    space = {"C": {"low": 0.001, "high": 1000.0, "log": True}}
    found = candidates(plan(architecture=BASELINE, space=space, candidates=200), seed=1)
    values = [float(dict(candidate.values)["C"]) for candidate in found]

    assert len(set(values)) == 200
    assert all(0.001 <= value <= 1000 for value in values)
    # If values were drawn uniformly, fewer than one in a hundred would be below 1.
    assert 70 < sum(value < 1 for value in values) < 130


def test_each_architecture_takes_the_keys_that_it_knows() -> None:
    found = candidates(
        plan(
            strategy="grid",
            architectures=["cnn", "attention"],
            space={"embedding_dim": [20, 50], "kernel_size": [3]},
            spaces={"attention": {"attention_units": [8]}},
        ),
        seed=1,
    )

    assert [(candidate.architecture, candidate.params) for candidate in found] == [
        ("cnn", '{"embedding_dim": 20, "kernel_size": 3}'),
        ("cnn", '{"embedding_dim": 50, "kernel_size": 3}'),
        ("attention", '{"attention_units": 8, "embedding_dim": 20}'),
        ("attention", '{"attention_units": 8, "embedding_dim": 50}'),
        (BASELINE, "{}"),
    ]


def test_a_key_of_no_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match="units"):
        candidates(plan(space={"units": [1]}), seed=1)


def test_halving_ends_with_all_epochs() -> None:
    steps = rungs(20, 50, 2)

    assert steps[-1] == (1, 50)
    assert sorted(steps, reverse=True) == steps
    assert sorted(epochs for _, epochs in steps) == [epochs for _, epochs in steps]
