"""Tokenizers: the tutorial's, its columnar form, and that of scikit-learn's word counts."""

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textclf.common.arrays import Int32, UInt8
from textclf.kernels.compiler import numba_runs
from textclf.text.arrow import filled, int_array, string_array

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
"""Characters that separate tokens, in addition to the space: the default of Keras' Tokenizer."""

_TO_SPACES = str.maketrans(FILTERS, " " * len(FILTERS))
_SPACE = ord(" ")
# Lower-cases ASCII and turns filtered characters into spaces; bytes of other characters do not change.
LOWERED = bytes(range(256)).lower().translate(bytes.maketrans(FILTERS.encode(), b" " * len(FILTERS)))
_WORD = re.compile(r"(?u)\b\w\w+\b")


def tokenize(text: str) -> list[str]:
    r"""Lower-case a text, turn ``FILTERS`` into spaces, and split on the space character only.

    Other white space stays inside tokens: carriage return, U+0085, U+00A0. The reference is
    ``text_to_word_sequence`` of Keras 2.

    Example:
        >>> tokenize("Wow... Loved this\tplace!")
        ['wow', 'loved', 'this', 'place']
        >>> tokenize("don't stop\rnow")
        ["don't", 'stop\rnow']
    """
    return [token for token in text.lower().translate(_TO_SPACES).split(" ") if token]


def tokenize_words(text: str) -> list[str]:
    """Find words of two or more word characters, as scikit-learn's ``CountVectorizer`` does by default.

    Example:
        >>> tokenize_words("I didn't like a thing")
        ['didn', 'like', 'thing']
    """
    return _WORD.findall(text.lower())


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {"keras": tokenize, "words": tokenize_words}
"""Tokenizers by their name in a model's manifest."""


def tokenize_array(texts: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    """Apply ``tokenize`` to a whole column.

    Only lower-casing needs Unicode: every separator is one ASCII byte, which in UTF-8 is not part of any other
    character. So texts that are not ASCII are lower-cased one by one in Python, and all texts are cut at once, as
    bytes.

    Args:
        texts: Strings, shape (n,).

    Returns:
        The tokens of each text as ``list<string>``, shape (n,), null where the text is null. The values of the list
        array begin at its first row and are only tokens.

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
    """Return the start of each text, then the end of the last, shape (n + 1,), and the bytes of all texts end to end.

    Characters beyond ASCII are already lower-case; ``LOWERED`` does the rest. A null becomes an empty text.
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
    """Return all tokens of the texts, and the start of each text's tokens, then the end, shape (n + 1,)."""
    from textclf.kernels.tokenize import cut_tokens

    kept, row_starts = np.empty(len(data), np.uint8), np.empty(len(starts), np.int32)
    token_ends = np.empty((len(data) + len(starts)) // 2 + 1, np.int32)
    found, size = cut_tokens(data, starts, np.frombuffer(LOWERED, np.uint8), kept, token_ends, row_starts)
    values = pa.StringArray.from_buffers(found, pa.py_buffer(token_ends[: found + 1]), pa.py_buffer(kept[:size]))
    return values, row_starts


def _cut(data: bytes, starts: Int32) -> tuple[pa.StringArray, Int32]:
    """Do the same as ``_cut_compiled`` without numba, on bytes that ``LOWERED`` has translated already."""
    inside = np.frombuffer(data, np.uint8) != _SPACE
    # Whether the bytes before and after belong to a token of the same text.
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
