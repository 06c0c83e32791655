import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.text.sequences import pad


def test_longer_lose_their_beginning_and_shorter_end_with_zeros() -> None:
    result = pad([[1, 2, 3, 4], [5], [], [6, 7, 8]], 3)
    assert result.dtype == np.int32
    assert result.tolist() == [[2, 3, 4], [5, 0, 0], [0, 0, 0], [6, 7, 8]]


def test_no_sequences_give_a_matrix_without_rows() -> None:
    assert pad([], 4).shape == (0, 4)


def test_a_length_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, received 0"):
        pad([[1]], 0)


@given(st.lists(st.lists(st.integers(1, 9), max_size=6), max_size=5), st.integers(1, 8))
def test_each_row_is_the_tail_then_zeros(sequences: list[list[int]], max_length: int) -> None:
    result = pad(sequences, max_length)
    assert result.tolist() == [(seq[-max_length:] + [0] * max_length)[:max_length] for seq in sequences]
