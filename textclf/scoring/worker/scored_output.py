"""Output of rows that are scored already: write files of results and rejects, count rows for the audit.

Rows with copied scores, and those that GPUs have scored, come from the JVM with all of their columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from textclf.scoring.worker.output import KINDS, Batches, Noted, counted, parts, rejected_rows, same
from textclf.spark.worker_gc import settle
from textclf.storage.worker_files import Packer, Sink

_GROUP_ROWS = 1 << 17  # rows of a row group; these rows are wider than those of a pass that only scores
_GROUP_BYTES = 128 << 20
_MANY = ("id", "score", "scores", "text_digest", "challenger_score", "challenger_scores")
"""Columns whose values seldom repeat."""


@dataclass(frozen=True)
class ScoredPacker:
    """A function for ``mapInArrow`` from scored rows to rows of ``PACKED``; see ``ScorePacker``.

    Attributes:
        columns: Names of the results' columns except ds and source, in order.
        run_id: Identifier of the run.
        bins: Number of bins in which scores are counted.
        codec: Compression codec, as in ``Packer``.
        statistics: Columns with statistics, as in ``Packer``.
        sink: What takes the files, as in ``Packer``.
        partition_by: Levels of folders, as in ``Packer``.
    """

    columns: tuple[str, ...]
    run_id: str
    bins: int
    codec: str
    statistics: tuple[str, ...]
    sink: Sink
    partition_by: tuple[str, ...]

    def __call__(self, batches: Batches) -> Batches:
        """Write the files of one task's rows."""
        keys = ("kind", "ds", "source")
        with Packer(keys, self.sink, self.partition_by, self.codec, self.statistics, plain=_MANY) as packer:
            for rows in _groups(batches):
                for day, source, rejected, part in parts(rows):
                    table, noted = rejected_rows(part, self.run_id) if rejected else self._results(part)
                    yield from packer.write((KINDS[rejected], day, source), table, noted)
            yield from packer.close()
        settle()

    def _results(self, rows: pa.Table) -> tuple[pa.Table, Noted]:
        found: dict[str, pa.Array] = {name: rows[name] for name in rows.column_names}
        found["run_id"] = same(self.run_id, len(rows))
        for name, values in found.items():
            if isinstance(values, pa.ChunkedArray):
                whole = values.combine_chunks()
                repeats = pa.types.is_string(whole.type) and name not in _MANY
                found[name] = whole.dictionary_encode() if repeats else whole
        return pa.table({name: found[name] for name in self.columns}), counted(found, self.bins)


def _groups(batches: Batches) -> Iterator[pa.Table]:
    """Join batches to row groups."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + len(batch), size + batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.Table.from_batches(held).combine_chunks()
            held, rows, size = [], 0, 0
    if rows:
        yield pa.Table.from_batches(held).combine_chunks()
