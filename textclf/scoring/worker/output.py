"""A worker's output: score rows of the input, write files of results and rejects, count rows for the audit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import Accumulator

from textclf.common.arrays import Bool, Int32, Int64
from textclf.scoring.worker.batch import CHALLENGER, REASONS, UNREADABLE, Wanted
from textclf.scoring.worker.models import Models
from textclf.scoring.worker.row_errors import NO_ROW, Net
from textclf.scoring.worker.source_limit import SourceLimit
from textclf.spark.worker_gc import settle
from textclf.storage.worker_files import COLUMNS, Packer, Sink

KINDS = ("results", "rejects")
PACKED = f"kind string, ds string, source string, {COLUMNS}"
"""Schema of the rows that tell of files; see ``ScorePacker``."""
_GROUP_ROWS = 1 << 19  # rows of a row group: enough to compress well, at a few dozen bytes each
_GROUP_BYTES = 256 << 20  # limit for rows with long ids

Batches = Iterator[pa.RecordBatch]
Noted = Mapping[tuple[Any, ...], int]
Key = tuple[str | None, ...]
"""Kind, ds and source of the rows of a file."""


@dataclass(frozen=True)
class Names:
    """Names behind the numbers that models return, model by model."""

    labels: Sequence[Sequence[str]]
    models: Sequence[str]
    versions: Sequence[str]
    digests: Sequence[str]

    def columns(self, answers: pa.Table, prefix: str) -> dict[str, pa.Array]:
        """Return label, score, scores and model of each row; null where ``answers`` has no model.

        Args:
            answers: Answers of the models, with the fields of ``Wanted.schema``.
            prefix: Prefix of the fields of ``answers`` and of the returned columns.
        """
        model = answers[f"{prefix}model"].to_numpy()
        mask = model < 0
        model = np.where(mask, 0, model)
        # A file has rows of few of the models; its dictionaries hold only their names.
        used: list[int] = np.flatnonzero(np.bincount(model)).tolist()
        place = np.zeros(len(self.models), np.int64)
        place[used] = np.arange(len(used))
        model = place[model]
        labels = [self.labels[number] for number in used]
        first = np.cumsum([0, *map(len, labels)])
        label = np.where(mask, 0, answers[f"{prefix}label"].fill_null(0).to_numpy())
        lists, kind = f"{prefix}scores", pa.list_(pa.float32())
        found = {
            f"{prefix}label": _named([word for each in labels for word in each], first[model] + label, mask),
            f"{prefix}score": answers[f"{prefix}score"],
            lists: answers[lists] if lists in answers.column_names else pa.nulls(len(model), kind),
            f"{prefix}model": _named([self.models[number] for number in used], model, mask),
        }
        # For a champion these columns are model_version and model_digest.
        stem = prefix or "model_"
        return found | {
            f"{stem}version": _named([self.versions[number] for number in used], model, mask),
            f"{stem}digest": _named([self.digests[number] for number in used], model, mask),
        }


def _named(words: Sequence[str], numbers: Int64, mask: Bool) -> pa.DictionaryArray:
    """Like ``_chosen``, for words that may repeat: a dictionary holds each once."""
    known = {word: number for number, word in enumerate(dict.fromkeys(words))}
    return _chosen([*known], np.array([known[word] for word in words], np.int32)[numbers], mask)


@dataclass(frozen=True)
class ScorePacker:
    """A function for ``mapInArrow`` from rows of the input to rows of ``PACKED``.

    Files of kind ``results`` have ``columns``; files of kind ``rejects`` have id, reason and run_id. Neither has ds and
    source. Each file comes with its number of rows by (reason, label, bin of the score, no known word).

    Attributes:
        models: The models by key.
        wanted: What the models compute.
        champions: Names of the champions.
        challengers: Names of the challengers.
        columns: Names of the results' columns except ds and source, in order.
        ds: Day of all rows, if they have no column ``ds`` because the input has no date column or is read for one day.
        source: Source of all rows, if they have no column ``source`` because the input has none.
        most_sources: Maximum number of sources of the run.
        run_id: Identifier of the run.
        bins: Number of bins of equal width, each open below and closed above, in which scores are counted.
        codec: Compression codec, as in ``Packer``.
        statistics: Columns with statistics, as in ``Packer``.
        sink: What takes the files, as in ``Packer``.
        partition_by: Levels of folders, as in ``Packer``.
        seen: Receives the number of rows, for a driver that shows it.
    """

    models: Models
    wanted: Wanted
    champions: Names
    challengers: Names
    columns: tuple[str, ...]
    ds: str | None
    source: str | None
    most_sources: int
    run_id: str
    bins: int
    codec: str
    statistics: tuple[str, ...]
    sink: Sink
    partition_by: tuple[str, ...]
    seen: Accumulator[int] | None = None

    def __call__(self, batches: Batches) -> Batches:
        """Write the files of one task's rows."""
        self.models.prepare()
        columns = ("kind", "ds", "source")
        with Packer(
            columns, self.sink, self.partition_by, self.codec, self.statistics, plain=("id", "score")
        ) as packer:
            yield from self._packed(batches, packer)
            yield from packer.close()
        settle()

    def _packed(self, batches: Batches, packer: Packer) -> Batches:
        net, limit = Net(self.models, self.wanted), SourceLimit(self.most_sources)
        held: list[pa.RecordBatch] = []
        rows = size = 0
        for batch in self.models.gathered(batches):
            held.append(_answered(batch, net))
            rows, size = rows + len(batch), size + held[-1].nbytes
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                yield from self._pack(packer, net, limit, held)
                held, rows, size = [], 0, 0
        if held:
            yield from self._pack(packer, net, limit, held)

    def _pack(self, packer: Packer, net: Net, limit: SourceLimit, held: Sequence[pa.RecordBatch]) -> Batches:
        rows = pa.Table.from_batches(held).combine_chunks()
        if self.seen is not None:
            self.seen.add(len(rows))
        rows = rows.set_column(rows.column_names.index("rejected"), "reason", _reasons(rows))
        if "source" in rows.column_names:
            limit.meet(pc.unique(rows["source"]).to_pylist())  # before the first file
        for tables in net.each(rows, self._tables, self._unreadable):
            for key, table, noted in tables:
                yield from packer.write(key, table, noted)

    def _tables(self, rows: pa.Table) -> list[tuple[Key, pa.Table, Noted]]:
        """Return key, rows and counts of each file."""
        made: list[tuple[Key, pa.Table, Noted]] = []
        for day, named, rejected, part in parts(rows):
            ds = day if "ds" in rows.column_names else self.ds
            source = named if "source" in rows.column_names else self.source
            made.append(
                (
                    (KINDS[rejected], ds, source),
                    *(rejected_rows(part, self.run_id) if rejected else self._results(part)),
                )
            )
        return made

    def _unreadable(self, row: pa.Table) -> list[tuple[Key, pa.Table, Noted]]:
        """Make a reject of one row from its id, and from its day and source unless converting them raises.

        With day and source, a later run of that day replaces the reject.
        """
        reason = pa.array([REASONS[UNREADABLE]])
        table, noted = rejected_rows(pa.table({"id": row["id"], "reason": reason}), self.run_id)
        ds = _readable(row, "ds") if "ds" in row.column_names else self.ds
        source = _readable(row, "source") if "source" in row.column_names else self.source
        return [((KINDS[1], ds, source), table, noted)]

    def _results(self, rows: pa.Table) -> tuple[pa.Table, Noted]:
        found = self.champions.columns(rows, "")
        if self.challengers.models:
            found |= self.challengers.columns(rows, CHALLENGER)
        found |= {name: rows[name] for name in rows.column_names if name in self.columns and name not in found}
        found["run_id"] = same(self.run_id, len(rows))
        if "evidence" not in found:
            found["evidence"] = pa.nulls(len(rows), pa.string())
        return pa.table({name: found[name] for name in self.columns}), counted(found, self.bins)


def rejected_rows(rows: pa.Table, run_id: str) -> tuple[pa.Table, Noted]:
    """Return the columns of a file of rejects, and the counts of its rows.

    Args:
        rows: The columns id and reason.
        run_id: Identifier of the run.
    """
    reason = rows["reason"].combine_chunks()
    return pa.table({"id": rows["id"], "reason": reason, "run_id": same(run_id, len(rows))}), counted_reasons(reason)


def counted(found: Mapping[str, Any], bins: int) -> Noted:
    """Count rows by label, bin of the score, and whether they have no known word.

    Args:
        found: The columns label, as a dictionary, score and known_tokens.
        bins: Number of bins.
    """
    label, score = found["label"], np.nan_to_num(found["score"].to_numpy().astype(np.float64))
    places = np.clip(np.ceil(score * bins).astype(np.int64) - 1, 0, bins - 1)
    unknown = found["known_tokens"].to_numpy() == 0
    codes = (label.indices.to_numpy().astype(np.int64) * bins + places) * 2 + unknown
    counts: dict[tuple[Any, ...], int] = {}
    rows = np.bincount(codes)
    for code in np.flatnonzero(rows):
        number, place = divmod(int(code) // 2, bins)
        counts[None, label.dictionary[number].as_py(), place, int(code) % 2] = int(rows[code])
    return counts


def counted_reasons(reason: pa.Array) -> Noted:
    """Count rejects by reason."""
    return {(each["values"], None, None, 0): each["counts"] for each in reason.value_counts().to_pylist()}


def _answered(batch: pa.RecordBatch, net: Net) -> pa.RecordBatch:
    """Replace text and key of the rows by the models' answers."""
    keys = batch.column("key") if "key" in batch.schema.names else None
    kept = {name: batch.column(name) for name in batch.schema.names if name not in ("text", "key")}
    answer = net.score(batch.column("text"), keys)
    return pa.record_batch(kept | dict(zip(answer.type.names, answer.flatten(), strict=True)))


def _reasons(rows: pa.Table) -> pa.Array:
    """Return the reason of each row without a score, the JVM's before the models'; null in rows with a score."""
    rejected, model = rows["rejected"].combine_chunks(), rows["model"].to_numpy()
    if not (model < 0).any():
        return rejected
    words = list(REASONS.values())
    code = np.zeros(len(model), np.int32)
    for place, number in enumerate(REASONS):
        code[model == number] = place
    return pc.coalesce(rejected, _chosen(words, code, model >= 0).cast(pa.string()))


def parts(rows: pa.Table) -> Iterator[tuple[str | None, str | None, bool, pa.Table]]:
    """Yield day, source, whether they are rejects, and the rows; day and source are None if null or not a column."""
    rejected = rows["reason"].is_valid().to_numpy()
    code = rejected.astype(np.int64)
    days, sources = (_values(rows, name) for name in ("ds", "source"))
    # Days and sources are numbered within these rows, so that int64 can hold the number of every pair.
    code += 2 * (days.numbers + len(days.words) * sources.numbers)
    present, place = np.unique(code, return_inverse=True)
    order = np.argsort(place, kind="stable") if len(present) > 1 else None
    ordered = rows if order is None else rows.take(pa.array(order))
    ends = np.cumsum(np.bincount(place, minlength=len(present)))
    for number, begin, end in zip(present.tolist(), [0, *ends], ends, strict=False):
        source, day = divmod(number // 2, len(days.words))
        yield days.words[day], sources.words[source], bool(number % 2), ordered.slice(begin, end - begin)


@dataclass(frozen=True)
class _Numbered:
    """Distinct values of a column as strings, null last, and the number of each row's value."""

    words: Sequence[str | None]
    numbers: Int64


def _values(rows: pa.Table, name: str) -> _Numbered:
    if name not in rows.column_names:
        return _Numbered([None], np.zeros(len(rows), np.int64))
    found = rows[name].combine_chunks().dictionary_encode()
    words = found.dictionary.cast(pa.string()).to_pylist()
    return _Numbered([*words, None], found.indices.fill_null(len(words)).to_numpy().astype(np.int64))


def _readable(row: pa.Table, name: str) -> str | None:
    """Return the value of a column of one row as a string; None if reading it raises."""
    try:
        found = _values(row, name)
    except NO_ROW:
        raise
    except Exception:  # noqa: BLE001 - this may be the value that made the row unreadable
        return None
    return found.words[int(found.numbers[0])]


def _chosen(words: Sequence[str], code: Int32, mask: Bool) -> pa.DictionaryArray:
    """Return the word of each number, null where ``mask`` is true."""
    numbers = pa.array(code.astype(np.int32), mask=mask if mask.any() else None)
    return pa.DictionaryArray.from_arrays(numbers, pa.array(words, pa.string()))


def same(word: str, count: int) -> pa.DictionaryArray:
    """Return a column of one word."""
    return _chosen([word], np.zeros(count, np.int32), np.zeros(count, np.bool_))
