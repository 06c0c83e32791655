"""Lazy updates of rows that several steps did not read, compared with Adam step by step."""

import numpy as np
import pytest

from textclf.training.jax.ragged.batches import Sizes, Texts, TooManyWordsError
from textclf.training.jax.ragged.lazy_adam import COLUMNS, TERMS, Adam, Arrears


@pytest.mark.parametrize("done", [0, 5, 2000])
@pytest.mark.parametrize("second", [0.0, 1e-18, 1e-14, 1e-6, 1.0])
def test_missed_steps_sum_up_to_what_adam_does_in_them(done: int, second: float) -> None:
    adam, first, wanted = Adam(), 0.01 * np.sqrt(second), 0.0
    rates = adam.rates(np.linspace(0.01, 0.002, 400), done)
    for missed in range(1, 301):
        decayed = adam.beta_1**missed * first, adam.beta_2**missed * second
        wanted += rates[40 + missed - 1] * decayed[0] / (np.sqrt(decayed[1]) + adam.epsilon)
        sums = Arrears(adam, rates).sums(np.array([40]), np.array([missed]))[0].astype(np.float64)
        assert sums.shape == (COLUMNS,)
        share = np.sqrt(second) / (np.sqrt(second) + adam.epsilon)
        moved = first / (np.sqrt(second) + adam.epsilon) * (sums[2:] @ share ** np.arange(TERMS))
        assert moved == pytest.approx(wanted, rel=3e-7)
        assert sums[:2] == pytest.approx([adam.beta_1**missed, adam.beta_2**missed], rel=1e-6)


def test_a_row_that_missed_nothing_stays() -> None:
    sums = Arrears(Adam(), Adam().rates(np.full(7, 0.1), 3)).sums(np.arange(8), np.zeros(8, int))

    np.testing.assert_array_equal(sums, np.tile([1, 1, 0, 0, 0, 0], (8, 1)))


def packed_texts(lengths: list[int]) -> Texts:
    """Return texts with these numbers of tokens, numbered consecutively from 1."""
    offsets = np.append(0, np.cumsum(lengths))
    zeros = np.zeros(len(lengths), np.int32)
    return Texts(np.arange(1, offsets[-1] + 1, dtype=np.int32), offsets, zeros, zeros + np.float32(1), 6, 3)


def test_texts_lie_end_to_end_and_windows_begin_where_they_fit() -> None:
    texts, sizes = packed_texts([2, 0, 5, 8]), Sizes(2, 12, 12, 3)
    packed, words, arrears = texts.batches(np.array([3, 0, 1, 2]), sizes, 20, Arrears(Adam(), [0.1, 0.1]))

    # Texts of the last 6 of 8 tokens and of 2. A step's words are padding and then its distinct tokens in order.
    assert words.rows[0].tolist() == [0, 1, 2, 10, 11, 12, 13, 14, 15, 29, 30, 31]
    assert packed.places[0].tolist() == [3, 4, 5, 6, 7, 8, 1, 2, 0, 0, 0, 0]
    assert packed.left[0].tolist() == [6, 5, 4, 3, 2, 1, 2, 1, 0, 0, 0, 0]
    assert packed.texts[0].tolist() == [0, 0, 0, 0, 2, 2, 1, 1, 2, 2, 2, 2]
    assert packed.padded.tolist() == [[False, True], [True, False], [False, False]]
    assert packed.counts.tolist() == [[1, 1], [1, 1], [0, 0]]
    assert arrears[[0, 1, 3]][:, 1].tolist() == pytest.approx([1, 0.999, 1])


def test_a_batch_of_too_many_words_is_refused_and_held_rows_fill_steps() -> None:
    texts = packed_texts([4, 4, 4, 4, 4])

    with pytest.raises(TooManyWordsError, match="9 words in a batch, room for 8"):
        texts.batches(np.arange(4), Sizes(2, 12, 8, 2), 40, Arrears(Adam(), [0.1, 0.1]))
    calls = texts.held(np.arange(5), Sizes(3, 12, 0, 2))
    assert [count for _, count in calls] == [2, 1]
    assert [packed.counts.sum(axis=1).tolist() for packed, _ in calls] == [[2, 2], [1, 0]]
    assert texts.held(np.arange(0), Sizes(3, 12, 0, 2)) == []
