import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.kernels.padding import pad
from textclf.text.encoder import Encoder
from textclf.text.vocabulary import Vocabulary


def padded(sequences: list[list[int]], max_length: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    flat = np.array([index for sequence in sequences for index in sequence], np.int32)
    return pad(flat, np.cumsum([0, *map(len, sequences)]).astype(np.int32), max_length)


def test_longer_lose_their_beginning_and_shorter_end_with_zeros() -> None:
    result = padded([[1, 2, 3, 4], [5], [], [6, 7, 8]], 3)
    assert result.dtype == np.int32
    assert result.tolist() == [[2, 3, 4], [5, 0, 0], [0, 0, 0], [6, 7, 8]]


def test_no_sequences_give_a_matrix_without_rows() -> None:
    assert padded([], 4).shape == (0, 4)


def test_a_length_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, received 0"):
        padded([[1]], 0)


@given(st.lists(st.lists(st.integers(1, 9), max_size=6), max_size=5), st.integers(1, 8))
def test_each_row_is_the_tail_then_zeros(sequences: list[list[int]], max_length: int) -> None:
    result = padded(sequences, max_length)
    assert result.tolist() == [(seq[-max_length:] + [0] * max_length)[:max_length] for seq in sequences]


def test_an_encoder_gives_sequences_and_counts_with_known_tokens() -> None:
    encoder = Encoder("keras", Vocabulary(("the", "food", "rare")), num_words=3, max_length=2)

    sequences, known = encoder.sequences(["The food, the FOOD!", "", "rare new words"])
    counts, counted = encoder.counts(["The food, the FOOD!", "", "rare new words"])

    assert sequences.tolist() == [[1, 2], [0, 0], [0, 0]]
    assert counts.toarray().tolist() == [[2, 2], [0, 0], [0, 0]]
    assert known.tolist() == counted.tolist() == [4, 0, 0]


def test_some_rows_are_padded_as_all_are() -> None:
    flat, offsets = np.arange(1, 10, dtype=np.int32), np.array([0, 3, 3, 9], np.int32)
    rows = np.array([2, 0, 2])
    np.testing.assert_array_equal(pad(flat, offsets, 4, rows), pad(flat, offsets, 4)[rows])


@pytest.mark.parametrize("tokenizer", ["keras", "words"])
def test_a_column_in_pieces_reads_as_a_whole(tokenizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Encoder(tokenizer, Vocabulary(("food", "good", "was")), 10, 5)
    texts = ["Good food", "", "nothing known", "it was good, was it?", "food"] * 3
    whole = reader.ragged(texts)
    monkeypatch.setattr("textclf.text.encoder._AT_ONCE", 4)
    for first, second in zip(whole, reader.ragged(texts), strict=True):
        np.testing.assert_array_equal(first, second)
        assert first.dtype == second.dtype
