"""Tests of how a source is divided into folds."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.errors import InputError
from textclf.search.cross_validation import check_rows, fold_numbers, partition


def test_folds_are_of_one_size_and_each_has_each_labels_share() -> None:
    labels = np.random.default_rng(0).choice([0, 1, 2], 101, p=[0.6, 0.3, 0.1]).astype(np.int32)
    found = fold_numbers(labels, 4, seed=7)

    assert np.ptp(np.bincount(found)) <= 1
    for label in range(3):
        assert np.ptp(np.bincount(found[labels == label], minlength=4)) <= 1
    assert not np.array_equal(found, fold_numbers(labels, 4, seed=8))


def test_every_fold_trains_on_every_label() -> None:
    labels = np.array([0] * 20 + [1] * 2 + [2], np.int32)

    for fold in range(4):
        train, held = partition(labels, 4, 1, fold, None, None)
        assert set(labels[train]) == {0, 1, 2}
        assert not set(train) & set(held)
        assert len(train) + len(held) == len(labels)


def test_an_outer_fold_is_seen_by_no_inner_one() -> None:
    labels = np.tile(np.array([0, 1], np.int32), 30)
    train, outside = partition(labels, 4, 1, None, 3, 2)

    assert (len(train), len(outside)) == (40, 20)
    for fold in range(4):
        inner, held = partition(labels, 4, 1, fold, 3, 2)
        assert not set(outside) & (set(inner) | set(held))
        assert sorted([*inner, *held]) == train.tolist()


def test_all_rows_train_without_a_fold() -> None:
    labels = np.array([0, 1, 0, 1], np.int32)
    train, held = partition(labels, 4, 1, None, None, None)

    assert (train.tolist(), held.tolist()) == ([0, 1, 2, 3], [])


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=40),
    st.integers(2, 6),
    st.none() | st.integers(2, 4),
    st.integers(0, 5),
)
def test_folds_are_refused_exactly_where_one_holds_nothing_out(
    labels: list[int], folds: int, nested: int | None, seed: int
) -> None:
    rows = np.array(labels, np.int32)
    accepted = False
    with contextlib.suppress(InputError):
        check_rows(rows, folds, seed, nested, "tiny")
        accepted = True

    outer = [(fold, number) for number in range(nested or 0) for fold in (None, *range(folds))]
    parts = [
        partition(rows, folds, seed, fold, nested, number)
        for fold, number in [*((fold, None) for fold in range(folds)), *outer]
    ]
    assert accepted == all(len(held) for _, held in parts)
    assert all(set(rows[train]) == set(labels) for train, _ in parts)


def test_too_few_rows_are_named() -> None:
    with pytest.raises(
        InputError, match=r"Source tiny: 3 training rows are too few for 4 folds.\n.*3 training rows, of which 1"
    ):
        check_rows(np.array([0, 1, 1], np.int32), 4, 1000, None, "tiny")
