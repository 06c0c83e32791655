import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.errors import ArtifactError, InputError
from textclf.text.vocabulary import Vocabulary

TOKENS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1), unique=True)


def test_lines_hold_index_and_token_at_the_same_number() -> None:
    lines = Vocabulary(("the", "food")).to_lines()
    assert lines == "\nthe\nfood\n"
    assert lines.split("\n")[1] == "the"


@given(TOKENS)
def test_lines_come_back_as_they_went(tokens: list[str]) -> None:
    vocabulary = Vocabulary(tuple(tokens))
    assert Vocabulary.from_lines(vocabulary.to_lines()) == vocabulary
    assert Vocabulary.from_bytes(vocabulary.to_bytes()) == vocabulary


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ArtifactError, match="can't decode byte 0xff"):
        Vocabulary.from_bytes(b"\nthe\n\xff\n")


def test_control_characters_stay_inside_tokens() -> None:
    vocabulary = Vocabulary(("a\rb", "c\u0085d", "e\u2028f", "\x0b", "\x1c"))
    assert Vocabulary.from_lines(vocabulary.to_lines()) == vocabulary


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("", "does not end with a line feed"),
        ("the\nfood\n", "does not begin with an empty line"),
        ("\nthe\nfood", "does not end with a line feed"),
        ("\nthe\n\nfood\n", "an empty token at index 2"),
        ("\nthe\nfood\nthe\n", "'the' at index 1 and again at index 3"),
    ],
)
def test_a_damaged_file_is_refused(text: str, received: str) -> None:
    with pytest.raises(ArtifactError, match=received):
        Vocabulary.from_lines(text)


@pytest.mark.parametrize(
    ("tokens", "received"),
    [
        (("a", "b", "a"), "'a' at index 1 and again at index 3"),
        (("a", ""), "an empty token at index 2"),
        (("a\nb",), r"a line feed in 'a\\nb' at index 1"),
    ],
)
def test_bad_tokens_are_refused(tokens: tuple[str, ...], received: str) -> None:
    with pytest.raises(InputError, match=received):
        Vocabulary(tokens)


def test_encode_leaves_out_unknown_and_infrequent_words() -> None:
    vocabulary = Vocabulary(("the", "food", "was", "good"))
    assert vocabulary.encode(["good", "the", "soup", "the", "was"], num_words=5000) == [4, 1, 1, 3]
    assert vocabulary.encode(["good", "the", "soup", "the", "was"], num_words=4) == [1, 1, 3]
    assert vocabulary.encode(["good", "the"], num_words=1) == []


@pytest.mark.parametrize(("num_words", "rows"), [(5000, 5), (5, 5), (4, 4), (1, 1)])
def test_size_counts_padding_and_the_words_in_use(num_words: int, rows: int) -> None:
    assert Vocabulary(("the", "food", "was", "good")).size(num_words) == rows


def test_digest_is_that_of_the_file() -> None:
    vocabulary = Vocabulary(("é", "b"))
    assert vocabulary.digest == hashlib.sha256("\né\nb\n".encode()).hexdigest()
    assert vocabulary.digest != Vocabulary(("b", "é")).digest


def test_an_empty_vocabulary_is_padding_alone() -> None:
    vocabulary = Vocabulary.from_lines("\n")
    assert vocabulary.tokens == ()
    assert vocabulary.size(100) == 1


def test_it_travels_to_executors_after_use() -> None:
    vocabulary = Vocabulary(("a", "b"))
    vocabulary.encode(["a"], num_words=9)
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary
