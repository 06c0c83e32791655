"""The worker's side of a vocabulary: rows of ``corpus`` in, counts of the training rows' tokens out."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import Accumulator, AccumulatorParam, SparkContext

from textclf.text.split import SourceSplit, assign_rows
from textclf.text.tokenizer import tokenize_array

COUNTED = "source string, token string, count long, first_row long, first_place int"
"""One row a source and token of each chunk; first occurrence as place of the row, then of the token in it."""
_CHUNK_BYTES = 64 << 20  # counted at once: large enough that most repeats merge, small enough for any worker

Batches = Iterator[pa.RecordBatch]
Rows = dict[str, int]
"""Rows by source."""


class _Sum(AccumulatorParam[Rows]):
    """Rows of tasks that have ended, added up; on the driver ``told`` hears of each source whose rows are all there."""

    def __init__(self, expected: Mapping[str, int] | None = None, told: Callable[[str], None] | None = None) -> None:
        self._expected, self._told = expected or {}, told

    def __reduce__(self) -> tuple[type["_Sum"], tuple[()]]:
        return _Sum, ()  # workers only add

    def zero(self, value: Rows) -> Rows:  # noqa: ARG002 - Spark's signature
        return {}

    def addInPlace(self, value1: Rows, value2: Rows) -> Rows:  # noqa: N802 - Spark's name
        for source, rows in value2.items():
            value1[source] = value1.get(source, 0) + rows
            if self._told is not None and value1[source] >= self._expected[source]:
                self._told(source)
        return value1


def rows_seen(
    context: SparkContext, splits: Mapping[str, SourceSplit], told: Callable[[str], None]
) -> Accumulator[Rows]:
    """What workers count rows into; ``told`` is called with a source once all of its rows are counted, or again."""
    return context.accumulator({}, _Sum({source: split.rows for source, split in splits.items()}, told))


def token_counter(
    splits: Mapping[str, SourceSplit], seen: Accumulator[Rows] | None = None
) -> Callable[[Batches], Batches]:
    """A function for ``mapInArrow`` from (source, file, position, text) to rows of ``COUNTED``.

    It holds one chunk of the input at a time; the chunks' counts are for Spark to add up.
    """

    def count(batches: Batches) -> Batches:
        for chunk in _chunks(batches):
            yield from _count_chunk(chunk, splits)
            if seen is not None:
                seen.add({each["values"]: each["counts"] for each in chunk.column(0).value_counts().to_pylist()})

    return count


def _chunks(batches: Batches) -> Iterator[pa.RecordBatch]:
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        # One beyond the limit goes alone: together they could exceed the two gigabytes of an Arrow string column.
        if held and size + batch.nbytes > _CHUNK_BYTES:
            yield pa.concat_batches(held)
            held, size = [], 0
        held.append(batch)
        size += batch.nbytes
    if held:
        yield pa.concat_batches(held)


def _count_chunk(chunk: pa.RecordBatch, splits: Mapping[str, SourceSplit]) -> Batches:
    sources, files, positions, texts = chunk.columns
    is_test, order = assign_rows(splits, sources, files, positions)
    encoded = sources.dictionary_encode()
    codes = encoded.indices.to_numpy()
    training = np.flatnonzero(~is_test)
    # Source by source and in the split's order, so that what is met first also occurs first.
    training = training[np.lexsort((order[training], codes[training]))]
    tokens = tokenize_array(texts.take(pa.array(training)))
    bounds = np.searchsorted(codes[training], np.arange(len(encoded.dictionary) + 1))
    for source, begin, end in zip(encoded.dictionary.to_pylist(), bounds, bounds[1:], strict=False):
        yield _count_source(source, tokens[begin:end], order[training[begin:end]])


def _count_source(source: str, tokens: pa.ListArray, order: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """Count and first occurrence of each token of rows that are sorted by ``order``."""
    encoded = tokens.flatten().dictionary_encode()
    codes = encoded.indices.to_numpy()
    # The dictionary is in order of first occurrence, so a token is new where the running maximum rises.
    first = np.flatnonzero(np.diff(np.maximum.accumulate(codes), prepend=-1))
    starts = tokens.offsets.to_numpy() - tokens.offsets[0].as_py()
    row = np.searchsorted(starts, first, side="right") - 1
    return pa.record_batch(
        {
            "source": pa.repeat(source, len(first)),
            "token": encoded.dictionary,
            "count": pa.array(np.bincount(codes, minlength=len(first)), pa.int64()),
            "first_row": pa.array(order[row], pa.int64()),
            "first_place": pa.array(first - starts[row], pa.int32()),
        }
    )
