"""Texts as Arrow arrays."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from textclf.common.arrays import Bool, Int32


def string_array(texts: Sequence[str]) -> pa.StringArray:
    """Make an array of texts, shape (n,), like ``pyarrow.array``, but without importing pandas.

    Importing pandas takes as long as everything else in labelling one text at a terminal.

    Raises:
        OverflowError: The texts have 2 GiB or more.
        UnicodeEncodeError: A text contains half a surrogate pair, which UTF-8 cannot encode.

    Example:
        >>> string_array(["good", "", "süß"]).to_pylist()
        ['good', '', 'süß']
    """
    encoded = [text.encode() for text in texts]
    offsets = np.array(list(accumulate(map(len, encoded), initial=0)), np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def int_array(values: npt.NDArray[np.integer[Any]]) -> pa.Int32Array:
    """Make an array of 32-bit integers, shape (n,), without importing pandas."""
    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, np.int32))])


def int_values(array: pa.Int32Array) -> Int32:
    """Return the values of an array without nulls, shape (n,), like ``to_numpy``, but without importing pandas."""
    data = array.buffers()[1]
    if data is None:
        return np.empty(0, np.int32)
    return np.frombuffer(data, np.int32)[array.offset : array.offset + len(array)]


def filled(texts: pa.Array) -> pa.Array:
    """Replace nulls by empty texts; without nulls pyarrow is not called, because it would import pandas."""
    return texts.fill_null("") if texts.null_count else texts


def by_bytes(texts: pa.Array, most: int) -> Iterator[pa.Array]:
    """Yield the texts in slices of at most ``most`` bytes; a longer text gets a slice of its own.

    Example:
        >>> [part.to_pylist() for part in by_bytes(string_array(["ab", "cd", "e" * 20, "f"]), 24)]
        [['ab', 'cd'], ['eeeeeeeeeeeeeeeeeeee'], ['f']]
    """
    if texts.type == pa.string_view():
        texts = texts.cast(pa.large_string())  # the buffers of a view do not show the size of its slice
    if len(texts) < 2 or texts.nbytes <= most:
        yield texts
        return
    half = len(texts) // 2
    yield from by_bytes(texts[:half], most)
    yield from by_bytes(texts[half:], most)


def undecodable(texts: pa.Array) -> Bool | None:
    """Find texts that are not valid UTF-8.

    Args:
        texts: Texts, shape (n,).

    Returns:
        Mask of such texts, shape (n,), false for nulls; None if all texts are valid, which is checked cheaply.

    Example:
        >>> bytes_ = pa.array([b"good", b"caf\\xe9", None])
        >>> texts = pa.StringArray.from_buffers(3, *bytes_.buffers()[1:], bytes_.buffers()[0])
        >>> undecodable(texts).tolist()
        [False, True, False]
    """
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        kind = pa.large_binary() if texts.type == pa.large_string() else pa.binary()
        return np.array([not _decodes(each) for each in texts.cast(kind).to_pylist()])
    return None


def _decodes(text: bytes | None) -> bool:
    try:
        (text or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def gathered(batches: Iterable[pa.RecordBatch], *, most: int, rows: float = math.inf) -> Iterator[pa.RecordBatch]:
    """Join batches until they have ``rows`` rows, or until another one would give them more than ``most`` bytes.

    Args:
        batches: Batches with the same columns.
        most: Largest number of bytes of joined batches. A larger batch stays alone: joined with others it could exceed
            the two gigabytes that an Arrow string column can hold.
        rows: Number of rows that suffices; by default bytes alone decide.

    Example:
        >>> batches = [pa.record_batch({"id": [number]}) for number in range(5)]
        >>> [batch.num_rows for batch in gathered(batches, most=1000, rows=2)]
        [2, 2, 1]
        >>> [batch.num_rows for batch in gathered(batches, most=30)]
        [3, 2]
    """
    held: list[pa.RecordBatch] = []
    found = size = 0
    for batch in batches:
        if held and size + batch.nbytes > most:
            yield _joined(held)
            held, found, size = [], 0, 0
        held.append(batch)
        found, size = found + len(batch), size + batch.nbytes
        if found >= rows or size >= most:
            yield _joined(held)
            held, found, size = [], 0, 0
    if held:
        yield _joined(held)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
