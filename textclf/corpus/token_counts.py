"""Vocabulary building on the workers: tokenize rows of ``corpus`` and count the tokens of training rows."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
from pyspark import Accumulator, AccumulatorParam, SparkContext

from textclf.common import console
from textclf.common.arrays import Int32, Int64
from textclf.kernels.compiler import numba_runs
from textclf.spark.worker_gc import settle
from textclf.storage.worker_files import COLUMNS, Packer, Sink
from textclf.text.arrow import gathered
from textclf.text.split import SourceSplit, assign_rows
from textclf.text.tokenizer import tokenize_array

COUNTED = "source string, token string, count long, first_row long, first_place int"
"""One row for each source and token of a chunk. Its first occurrence is the row's number, then the place in the row."""
PACKED = f"kind string, source string, {COLUMNS}"
"""One row for each file of tokens or counts; see ``token_packer``."""
_NOBODY = np.int64(2**63 - 1)  # stands for a training row's number in rows that do not count
_CHUNK_BYTES = 64 << 20  # counted at once: large enough to merge most repeats, small enough for any worker

Batches = Iterator[pa.RecordBatch]
Rows = dict[str, int]
"""Number of rows by source name."""


class _Sum(AccumulatorParam[Rows]):
    """Sum of the rows of finished tasks; on the driver ``on_progress`` gets each source whose rows are complete."""

    def __init__(
        self,
        expected: Mapping[str, int] | None = None,
        on_progress: Callable[[str], None] | None = None,
        step: console.Step | None = None,
    ) -> None:
        self._expected, self._on_progress, self._step = expected or {}, on_progress, step

    def __reduce__(self) -> tuple[type["_Sum"], tuple[()]]:
        return _Sum, ()  # workers only add

    def zero(self, value: Rows) -> Rows:  # noqa: ARG002 - Spark's signature
        return {}

    def addInPlace(self, value1: Rows, value2: Rows) -> Rows:  # noqa: N802 - Spark's name
        for source, rows in value2.items():
            value1[source] = value1.get(source, 0) + rows
            if self._on_progress is not None and value1[source] >= self._expected[source]:
                self._on_progress(source)
        if self._step is not None:
            self._step.update(sum(value1.values()), sum(self._expected.values()))
        return value1


def rows_seen(
    context: SparkContext,
    splits: Mapping[str, SourceSplit],
    on_progress: Callable[[str], None] | None,
    step: console.Step,
) -> Accumulator[Rows] | None:
    """Make the accumulator into which workers count rows; None if they are not reported.

    Args:
        context: Spark context.
        splits: Splits of the sources, with their numbers of rows.
        on_progress: Callback that gets the name of each source whose rows are all counted, perhaps more than once.
        step: Step whose line shows the rows.
    """
    if on_progress is None and not step.shown:
        return None
    expected = {source: split.rows for source, split in splits.items()}
    return context.accumulator({}, _Sum(expected, on_progress, step))


def token_packer(
    splits: Mapping[str, SourceSplit], codec: str, seen: Accumulator[Rows] | None = None, sink: Sink | None = None
) -> Callable[[Batches], Batches]:
    """Make a function for ``mapInArrow`` from (source, file, position, text) to rows of ``PACKED``.

    Files of kind ``tokens`` hold rows of the table ``tokens`` of one source, one for each input row. Files of kind
    ``counts`` hold rows of ``COUNTED``. The function holds one chunk of the input in memory at a time; Spark adds up
    the counts of the chunks.
    """

    def pack(batches: Batches) -> Batches:
        with Packer(("kind", "source"), sink or Sink(), ("source",), codec) as packer:
            for chunk in gathered(batches, most=_CHUNK_BYTES):
                for source, table, counts in _sources(chunk, splits):
                    yield from packer.write(("tokens", source), table)
                    yield from packer.write(("counts", None), counts)
                    if seen is not None:
                        seen.add({source: len(table)})
            yield from packer.close()
        settle()

    return pack


def _sources(chunk: pa.RecordBatch, splits: Mapping[str, SourceSplit]) -> Iterator[tuple[str, pa.Table, pa.Table]]:
    """Yield each source of a chunk with its rows of ``tokens`` and of ``COUNTED``."""
    sources = chunk.column(0).dictionary_encode()
    names, codes = sources.dictionary.to_pylist(), sources.indices.to_numpy()
    for code, source in enumerate(names):
        rows = chunk if len(names) == 1 else chunk.filter(pa.array(codes == code))
        _, files, positions, texts = rows.columns
        is_test, order = assign_rows(splits, rows.column(0), files, positions)
        tokens = tokenize_array(texts)
        words = tokens.values.dictionary_encode()
        # Parquet writes a dictionary as it is; from plain strings it would build the dictionary again.
        listed = pa.ListArray.from_arrays(tokens.offsets, words)
        table = pa.table({"file": files.dictionary_encode(), "position": positions, "tokens": listed})
        starts = tokens.offsets.to_numpy()
        yield source, table, _counted(source, words, starts, np.where(is_test, _NOBODY, order))


def _counted(source: str, words: pa.DictionaryArray, starts: Int32, order: Int64) -> pa.Table:
    """Count each token and find its first occurrence in the rows whose ``order`` is not ``_NOBODY``."""
    codes, size = words.indices.to_numpy(), len(words.dictionary)
    count, first_row, first_place = (_count_compiled if numba_runs() else _count)(codes, starts, order, size)
    found = np.flatnonzero(count)
    return pa.table(
        {
            "source": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(found), np.int32)), pa.array([source])),
            "token": words.dictionary.take(pa.array(found)),
            "count": pa.array(count[found]),
            "first_row": pa.array(first_row[found]),
            "first_place": pa.array(first_place[found]),
        }
    )


def _count_compiled(codes: Int32, starts: Int32, order: Int64, size: int) -> tuple[Int64, Int64, Int32]:
    from textclf.kernels.tokenize import count_tokens

    count, first_row = np.zeros(size, np.int64), np.full(size, _NOBODY)
    first_place = np.zeros(size, np.int32)
    count_tokens(codes, starts, order, _NOBODY, count, first_row, first_place)
    return count, first_row, first_place


def _count(codes: Int32, starts: Int32, order: Int64, size: int) -> tuple[Int64, Int64, Int32]:
    """The same as ``_count_compiled``, for platforms where numba cannot run."""
    row = np.repeat(np.arange(len(order)), np.diff(starts))
    kept = np.flatnonzero(order[row] != _NOBODY)
    # In the split's order; the stable sort keeps the order of tokens within a row.
    kept = kept[np.argsort(order[row[kept]], kind="stable")]
    found, first = np.unique(codes[kept], return_index=True)
    count, first_row = np.bincount(codes[kept], minlength=size), np.full(size, _NOBODY)
    first_place = np.zeros(size, np.int32)
    first_row[found] = order[row[kept[first]]]
    first_place[found] = kept[first] - starts[row[kept[first]]]
    return count, first_row, first_place
