"""When a fit ends before its last epoch."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.training.early_stopping import EarlyStopping


def ends_after(losses: list[float], patience: int | None) -> int:
    """Return the number of epochs that a fit with these losses runs."""
    stopping = EarlyStopping(patience)
    for epoch, loss in enumerate(losses, start=1):
        stopping.add(loss)
        if stopping.due:
            return epoch
    return len(losses)


@pytest.mark.parametrize(
    ("losses", "patience", "epochs"),
    [
        ([0.9, 0.8, 0.7, 0.6], 1, 4),
        ([0.9, 0.8, 0.8, 0.7], 1, 3),  # an equal loss is not an improvement
        ([0.9, 0.8, 0.85, 0.7, 0.75, 0.8, 0.6], 2, 6),
        ([0.5, 0.6, 0.7, 0.8], None, 4),
        ([0.5, math.nan, math.nan, 0.1], 2, 3),
        ([0.5, math.inf, 0.4], 2, 3),
        ([math.nan, math.nan, math.nan], 1, 2),
        ([math.nan, 0.5, 0.4, 0.3], 2, 3),  # a loss after NaN is not an improvement
    ],
)
def test_a_fit_ends_when_patience_does(losses: list[float], patience: int | None, epochs: int) -> None:
    assert ends_after(losses, patience) == epochs


@given(st.lists(st.floats(0, 1), min_size=1), st.integers(1, 5))
def test_the_best_epoch_is_the_first_with_the_lowest_loss(losses: list[float], patience: int) -> None:
    stopping = EarlyStopping(patience)
    for number, loss in enumerate(losses):
        before = losses[:number]
        assert stopping.add(loss) == all(loss < each for each in before)
        assert stopping.best == min(losses[: number + 1])
        assert stopping.since == number - losses.index(stopping.best)
