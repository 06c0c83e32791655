import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from textclf.kernels.compiler import numba_runs, without_numba
from textclf.text.tokenizer import FILTERS, TOKENIZERS, tokenize, tokenize_array, tokenize_words

KERAS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'  # the documented default filters of Keras' Tokenizer
# Characters that break byte-level or careless tokenizers, drawn more often than by chance.
AWKWARD = "İIıΣσςßẞK\u0085\u00a0\u2028\u3000\r\x0b\x0c\x1c\x1d\x1e\x1f\x00\x7f \t\n'é😀𐐀" + FILTERS
TEXTS = st.text(st.one_of(st.sampled_from(AWKWARD), st.characters(exclude_categories=["Cs"]), st.sampled_from("aBcZ ")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wow... Loved this place.", ["wow", "loved", "this", "place"]),
        ("don't", ["don't"]),
        ("a\tb\nc", ["a", "b", "c"]),
        ("a\rb\x0bc\x1cd", ["a\rb\x0bc\x1cd"]),
        ("one\u0085two\u00a0three\u2028four", ["one\u0085two\u00a0three\u2028four"]),
        ("İSTANBUL", ["i̇stanbul"]),
        ("ΟΔΟΣ ΣΑΣ", ["οδος", "σας"]),
        (FILTERS, []),
        ("  ", []),
        ("", []),
        ("A" * 3 + "_b", ["aaa", "b"]),
    ],
)
def test_tokenize(text: str, expected: list[str]) -> None:
    result = tokenize(text)
    assert result == expected


def test_of_ascii_keras_filters_and_the_space_separate_and_nothing_else() -> None:
    separate = {character for character in map(chr, range(0x80)) if len(tokenize(f"a{character}b")) == 2}

    assert separate == {*KERAS, " "}
    assert set(FILTERS) == set(KERAS)
    assert all(
        tokenize(f"a{character}b") == [f"a{character}b"]
        for character in map(chr, range(0x20))
        if character not in "\t\n"
    )


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXTS), max_size=8))
def test_a_column_gives_what_each_text_gives(texts: list[str | None]) -> None:
    assert numba_runs()  # another test covers the case without numba
    result = tokenize_array(pa.array(texts, pa.string()))
    result.validate(full=True)
    assert result.to_pylist() == [None if text is None else tokenize(text) for text in texts]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXTS), min_size=3, max_size=8), st.integers(0, 3), st.integers(0, 3))
def test_slices_chunks_and_large_strings_give_the_same(texts: list[str | None], start: int, length: int) -> None:
    whole = pa.array(texts, pa.string())
    expected = [None if text is None else tokenize(text) for text in texts]
    assert tokenize_array(whole[start : start + length]).to_pylist() == expected[start : start + length]
    assert tokenize_array(pa.chunked_array([whole[:start], whole[start:]])).to_pylist() == expected
    assert tokenize_array(whole.cast(pa.large_string())).to_pylist() == expected


def test_every_code_point_gives_the_same() -> None:
    points = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    texts = ["x".join(points[start : start + 64]) for start in range(0, len(points), 64)]
    assert tokenize_array(pa.array(texts)).to_pylist() == [tokenize(text) for text in texts]


def test_an_empty_column_and_an_empty_chunked_column() -> None:
    assert tokenize_array(pa.array([], pa.string())).to_pylist() == []
    assert tokenize_array(pa.chunked_array([], pa.string())).to_pylist() == []


def test_bytes_under_a_null_are_no_tokens() -> None:
    buffers = [pa.py_buffer(bytes([0b101])), pa.py_buffer(np.array([0, 1, 7, 8], np.int32)), pa.py_buffer(b"ahiddenb")]
    texts = pa.StringArray.from_buffers(3, buffers[1], buffers[2], buffers[0])
    result = tokenize_array(texts)
    assert result.to_pylist() == [["a"], None, ["b"]]
    assert result.values.to_pylist() == ["a", "b"]


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_words_are_those_of_scikit_learn(text: str) -> None:
    assert tokenize_words(text) == CountVectorizer().build_analyzer()(text)


def test_tokenizers_by_name() -> None:
    found = {name: tokenizer("Don't eat a PIE_2") for name, tokenizer in TOKENIZERS.items()}

    assert found == {"keras": ["don't", "eat", "a", "pie", "2"], "words": ["don", "eat", "pie_2"]}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXTS), max_size=8))
def test_a_column_gives_the_same_where_numba_cannot_run(texts: list[str | None]) -> None:
    with without_numba():
        assert not numba_runs()
        result = tokenize_array(pa.array(texts, pa.string()))
    result.validate(full=True)
    assert result.to_pylist() == [None if text is None else tokenize(text) for text in texts]
