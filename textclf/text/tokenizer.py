"""Text to tokens: the tutorial's tokenizer, its columnar form, and scikit-learn's words."""

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textclf.common.arrays import Int32, UInt8
from textclf.kernels.compiler import numba_runs
from textclf.text.arrow import filled, int_array, string_array

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
"""Characters that separate tokens, beside the space: the default of Keras' Tokenizer."""

_TO_SPACES = str.maketrans(FILTERS, " " * len(FILTERS))
_SPACE = ord(" ")
# Lower-cases ASCII and turns filtered characters into spaces; bytes of other characters stay as they are.
LOWERED = bytes(range(256)).lower().translate(bytes.maketrans(FILTERS.encode(), b" " * len(FILTERS)))
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
    starts, data = text_bytes(texts)
    values, offsets = _cut_compiled(data, starts) if numba_runs() else _cut(data.tobytes().translate(LOWERED), starts)
    return pa.ListArray.from_arrays(int_array(offsets), values, mask=nulls)


def text_bytes(texts: pa.Array) -> tuple[Int32, UInt8]:
    """Where each text begins and the last one ends, shape (n + 1,), and the bytes of all, one after another.

    Characters beyond ASCII are lower-case; what is left to do to a byte says ``LOWERED``. A null is an empty text.
    """
    return _raw(_lower_beyond_ascii(filled(texts.cast(pa.string()))))


def _lower_beyond_ascii(texts: pa.StringArray) -> pa.StringArray:
    beyond = pc.invert(pc.string_is_ascii(texts))
    if not beyond.true_count:
        return texts
    lowered = string_array([text.lower() for text in texts.filter(beyond).to_pylist()])
    return pc.replace_with_mask(texts, beyond, lowered)


def _raw(texts: pa.StringArray) -> tuple[Int32, UInt8]:
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1] if len(texts) else None
    if starts is None or data is None:
        return np.zeros(len(texts) + 1, np.int32), np.empty(0, np.uint8)
    first, last = int(starts[0]), int(starts[-1])
    return starts - first, np.frombuffer(data, np.uint8)[first:last]


def _cut_compiled(data: UInt8, starts: Int32) -> tuple[pa.StringArray, Int32]:
    """All tokens of the texts, and where each text's tokens begin among them, shape (n + 1,)."""
    from textclf.kernels.tokenize import cut_tokens

    kept, row_starts = np.empty(len(data), np.uint8), np.empty(len(starts), np.int32)
    token_ends = np.empty((len(data) + len(starts)) // 2 + 1, np.int32)
    found, size = cut_tokens(data, starts, np.frombuffer(LOWERED, np.uint8), kept, token_ends, row_starts)
    values = pa.StringArray.from_buffers(found, pa.py_buffer(token_ends[: found + 1]), pa.py_buffer(kept[:size]))
    return values, row_starts


def _cut(data: bytes, starts: Int32) -> tuple[pa.StringArray, Int32]:
    """``_cut_compiled`` of bytes that ``LOWERED`` has translated already, where numba cannot run."""
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
