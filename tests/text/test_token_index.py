"""The compiled tokenizer against the Python one."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories.awkward_texts import POINTS, TEXTS, random_texts
from textclf.kernels.compiler import numba_runs
from textclf.text import unicode_tables
from textclf.text.token_index import TokenIndex
from textclf.text.tokenizer import TOKENIZERS
from textclf.text.vocabulary import Vocabulary


def parts() -> list[list[str]]:
    """Return all code points of the planes with letters and marks and some others, in groups of 256."""
    chosen = [point for point in POINTS if ord(point) >> 16 in (0, 1, 14) or ord(point) % 97 == 0]
    return [chosen[start : start + 256] for start in range(0, len(chosen), 256)]


def check(tokenizer: str, texts: Sequence[str | None], column: pa.Array | None = None) -> None:
    """Assert that the index finds exactly the vocabulary, which is every other token of the texts."""
    assert numba_runs(), "without numba the index asks the tokenizer that it is held against"
    column = pa.array(texts, pa.string()) if column is None else column
    lists = [[] if text is None else TOKENIZERS[tokenizer](text) for text in texts]
    tokens = tuple(sorted({token for tokens in lists for token in tokens}))[::2]
    vocabulary = Vocabulary(tokens)
    flat, offsets = TokenIndex.of(tokenizer, tokens).ragged(column)
    assert flat.dtype == np.int32
    expected = [vocabulary.encode(each, len(tokens) + 1) for each in lists]
    assert np.diff(offsets).tolist() == [len(each) for each in expected]
    assert flat.tolist() == [index for each in expected for index in each]


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXTS), max_size=8))
def test_any_texts_give_what_python_gives(tokenizer: str, texts: list[str | None]) -> None:
    check(tokenizer, texts)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXTS), min_size=3, max_size=8), st.integers(0, 3), st.integers(0, 3))
def test_every_layout_and_slice_gives_the_same(kind: pa.DataType, texts: list[str], start: int, length: int) -> None:
    column = pa.array(texts, kind)[start : start + length]
    check("keras", texts[start : start + length], column)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_every_code_point_gives_the_same_alone_and_between_others(tokenizer: str) -> None:
    check(tokenizer, [" ".join(part) for part in parts()])
    check(tokenizer, ["".join(f"x{point}Y y" for point in part) for part in parts()])


def test_a_sigma_looks_at_every_neighbour_as_python_does() -> None:
    # Each character before and after a sigma, since the neighbours decide whether it becomes a final sigma.
    check("keras", ["\n".join(f"AΣ{point}\n{point}Σ\nAΣ{point}A" for point in part) for part in parts()])


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_hundred_thousand_random_texts(tokenizer: str) -> None:
    check(tokenizer, random_texts(100_000))


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_long_texts_and_long_tokens(tokenizer: str) -> None:
    check(
        tokenizer,
        ["a" * 1_000_000, "Good bad " * 50_000, "É" * 70, "é" * 70 + "x", "b" * 8, "b" * 9, "b" * 16, "Σ" * 9999],
    )


def test_a_character_that_is_part_of_a_word_in_no_text_is_looked_for_in_vain() -> None:
    flat, offsets = TokenIndex.of("keras", []).ragged(pa.array(["a b", "", None]))
    assert (flat.tolist(), offsets.tolist()) == ([], [0, 0, 0, 0])
    flat, offsets = TokenIndex.of("keras", ["a"]).ragged(pa.array([], pa.string()))
    assert (flat.tolist(), offsets.tolist()) == ([], [0])


def test_bytes_under_a_null_are_no_tokens() -> None:
    buffers = [pa.py_buffer(bytes([0b101])), pa.py_buffer(np.array([0, 1, 7, 8], np.int32)), pa.py_buffer(b"ahiddenb")]
    texts = pa.StringArray.from_buffers(3, buffers[1], buffers[2], buffers[0])
    flat, offsets = TokenIndex.of("keras", ["a", "hidden", "b"]).ragged(texts)
    assert (flat.tolist(), offsets.tolist()) == ([1, 3], [0, 1, 1, 2])


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_bytes_that_are_not_utf_8_harm_nothing(tokenizer: str) -> None:
    draw = np.random.default_rng(5)
    data = draw.integers(0, 256, 40_000, np.uint8)
    starts = np.sort(draw.integers(0, 40_001, 3_001)).astype(np.int32)
    starts[0], starts[-1] = 0, 40_000
    texts = pa.StringArray.from_buffers(3_000, pa.py_buffer(starts), pa.py_buffer(data))
    _, offsets = TokenIndex.of(tokenizer, ["a", "bc"]).ragged(texts)
    assert (np.diff(offsets) >= 0).all()
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 8], np.int32)), pa.py_buffer(b"good \xe9\xceX"))
    assert TokenIndex.of(tokenizer, ["good"]).ragged(broken)[0].tolist() == [1]


@pytest.mark.parametrize("separator", [" ", ", ", "! a ", "é "], ids=["one", "two", "token", "not ascii"])
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_tokens_of_every_size_one_after_another(tokenizer: str, separator: str) -> None:
    # These texts cross every boundary: of eight bytes, of sixteen, and of blocks of tokens looked up together.
    draw = np.random.default_rng(7)
    sizes = [*range(1, 41), *draw.integers(1, 20, 700), *range(40, 0, -1)]
    tokens = ["".join(draw.choice(list("abCD\0"), size)) for size in sizes]
    check(tokenizer, [separator.join(tokens[start:]) for start in range(0, 60, 7)])


def test_tokens_that_share_a_slot_are_told_apart() -> None:
    tokens = [f"w{number}" for number in range(5_000)] + ["x" * length for length in range(1, 40)]
    flat, _ = TokenIndex.of("keras", tokens).ragged(pa.array(tokens))
    assert flat.tolist() == list(range(1, len(tokens) + 1))


@pytest.mark.parametrize("damage", ["", "cut", "turned"])
def test_kept_tables_of_characters_are_read_or_made_again(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unicode_tables, "cache_folder", lambda: tmp_path)
    made = unicode_tables.character_tables.__wrapped__("words")
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    middle = len(content) // 2
    turned = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.write_bytes({"": content, "cut": content[:middle], "turned": turned}[damage])

    found = unicode_tables.character_tables.__wrapped__("words")

    assert all(np.array_equal(vars(found)[name], table) for name, table in vars(made).items())
    assert path.read_bytes() == content


def test_without_numba_the_results_are_the_same_and_standard_error_says_so() -> None:
    code = (
        "import pyarrow as pa, sys; from textclf.text.token_index import TokenIndex\n"
        "index = TokenIndex.of('words', ['the', 'ος'])\n"
        "print([each.tolist() for each in index.ragged(pa.array(['THE ΟΣ a', None, 'the']))], 'numba' in sys.modules)"
    )
    environ = os.environ | {"TEXTCLF_NUMBA": "off"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[[1, 2, 1], [0, 2, 2, 3]] False"
    assert "numba cannot run here (TEXTCLF_NUMBA=off)" in done.stderr
