"""Text to tokens: the tutorial's tokenizer, its columnar form, and scikit-learn's words."""

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
"""Characters that separate tokens, beside the space: the default of Keras' Tokenizer."""

_TO_SPACES = str.maketrans(FILTERS, " " * len(FILTERS))
_SPACE = ord(" ")
# Lower-cases ASCII and turns filtered characters into spaces; bytes of other characters stay as they are.
_BYTES = bytes(range(256)).lower().translate(bytes.maketrans(FILTERS.encode(), b" " * len(FILTERS)))
_WORD = re.compile(r"(?u)\b\w\w+\b")


def tokenize(text: str) -> list[str]:
    r"""Lower-case, turn ``FILTERS`` into spaces, split on the space character only.

    What other tokenizers take for white space stays inside tokens: carriage return, U+0085, U+00A0.
    The reference is ``text_to_word_sequence`` of Keras 2.

    Example:
        >>> tokenize("Wow... Loved this\tplace!")
        ['wow', 'loved', 'this', 'place']
        >>> tokenize("don't stop\rnow")
        ["don't", 'stop\rnow']
    """
    return [token for token in text.lower().translate(_TO_SPACES).split(" ") if token]


def tokenize_words(text: str) -> list[str]:
    """Words of two or more word characters, as scikit-learn's ``CountVectorizer`` finds them by default.

    Example:
        >>> tokenize_words("I didn't like a thing")
        ['didn', 'like', 'thing']
    """
    return _WORD.findall(text.lower())


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {"keras": tokenize, "words": tokenize_words}
"""Tokenizers by the name that a model's manifest gives them."""


def tokenize_array(texts: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    """``tokenize`` of a whole column.

    Only lower-casing depends on the language; every separator is one byte of ASCII, and in UTF-8 no other
    character holds such a byte. So rows outside ASCII are lower-cased one by one in Python, and all rows are
    cut at once, as bytes.

    Args:
        texts: Strings, shape (n,).

    Returns:
        ``list<string>``, shape (n,): the tokens of each text, null where the text is null. Values of the list
        array begin at its first row and hold nothing but tokens.

    Example:
        >>> tokenize_array(pa.array(["Great, GREAT food", None, "..."])).to_pylist()
        [['great', 'great', 'food'], None, []]
    """
    if isinstance(texts, pa.ChunkedArray):
        chunks = [tokenize_array(chunk) for chunk in texts.chunks]
        return pa.concat_arrays(chunks or [pa.array([], pa.list_(pa.string()))])
    nulls = texts.is_null() if texts.null_count else None
    starts, data = _raw(_lower_beyond_ascii(pc.fill_null(texts.cast(pa.string()), "")))
    values, offsets = _cut(data.translate(_BYTES), starts)
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=nulls)


def _lower_beyond_ascii(texts: pa.StringArray) -> pa.StringArray:
    beyond = pc.invert(pc.string_is_ascii(texts))
    if not beyond.true_count:
        return texts
    lowered = pa.array([text.lower() for text in texts.filter(beyond).to_pylist()], pa.string())
    return pc.replace_with_mask(texts, beyond, lowered)


def _raw(texts: pa.StringArray) -> tuple[npt.NDArray[np.int32], bytes]:
    """Where each text begins and the last one ends, shape (n + 1,), and the bytes of all, one after another."""
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1] if len(texts) else None
    if starts is None or data is None:
        return np.zeros(len(texts) + 1, np.int32), b""
    first, last = int(starts[0]), int(starts[-1])
    return starts - first, data[first:last].to_pybytes()


def _cut(data: bytes, starts: npt.NDArray[np.int32]) -> tuple[pa.StringArray, npt.NDArray[np.int32]]:
    """All tokens of the texts, and where each text's tokens begin among them, shape (n + 1,)."""
    inside = np.frombuffer(data, np.uint8) != _SPACE
    # Whether the byte before, and the byte after, belongs to a token of the same text.
    before, after = np.zeros_like(inside), np.zeros_like(inside)
    before[1:], after[:-1] = inside[:-1], inside[1:]
    before[starts[starts < len(data)]] = False
    after[starts[starts > 0] - 1] = False
    begins, ends = np.flatnonzero(inside > before), np.flatnonzero(inside > after) + 1
    token_offsets = np.zeros(len(begins) + 1, np.int32)
    np.cumsum(ends - begins, out=token_offsets[1:])
    kept = data.replace(b" ", b"")
    values = pa.StringArray.from_buffers(len(begins), pa.py_buffer(token_offsets), pa.py_buffer(kept))
    return values, np.searchsorted(begins, starts.astype(begins.dtype)).astype(np.int32)
