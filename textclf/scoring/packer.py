"""A worker's side of the pass: rows of the input in, files of results and of rejects out, and counts for the audit."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from textclf.packing import COLUMNS, Packer
from textclf.scoring.batch import CHALLENGER, REASONS, UNDECODABLE, Wanted, score_batch
from textclf.scoring.resident import Models
from textclf.settled import settle
from textclf.text.arrow import undecodable

KINDS = ("results", "rejects")
PACKED = f"kind string, ds string, source string, {COLUMNS}"
"""One row a file; see ``ScorePacker``."""
_GROUP_ROWS = 1 << 19  # of a row group: enough to compress well, a few dozen bytes each

Batches = Iterator[pa.RecordBatch]
Ints = npt.NDArray[np.int64]
Noted = Mapping[tuple[Any, ...], int]


@dataclass(frozen=True)
class Names:
    """What the numbers that models give stand for, model by model."""

    labels: Sequence[Sequence[str]]
    models: Sequence[str]
    versions: Sequence[str]
    digests: Sequence[str]

    def columns(self, answers: pa.Table, prefix: str) -> dict[str, pa.Array]:
        """Label, score, scores and model of each row, null where ``answers`` has no model.

        Args:
            prefix: Of the fields of ``answers``, which are those of ``Wanted.schema``, and of the columns.
        """
        model = answers[f"{prefix}model"].to_numpy()
        mask = model < 0
        model = np.where(mask, 0, model)
        # Of many models a file has few: its dictionaries hold the words of no other.
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
        # Of a champion the table calls them model_version and model_digest.
        stem = prefix or "model_"
        return found | {
            f"{stem}version": _named([self.versions[number] for number in used], model, mask),
            f"{stem}digest": _named([self.digests[number] for number in used], model, mask),
        }


def _named(words: Sequence[str], numbers: Ints, mask: npt.NDArray[np.bool_]) -> pa.DictionaryArray:
    """``_chosen`` of words that may be equal: a dictionary holds each once."""
    known = list(dict.fromkeys(words))
    return _chosen(known, np.array([known.index(word) for word in words], np.int32)[numbers], mask)


@dataclass(frozen=True)
class ScorePacker:
    """A function for ``mapInArrow`` from rows of the input to rows of ``PACKED``.

    Files of kind ``results`` have ``columns``, those of kind ``rejects`` id, reason and run_id; ds and source are in
    neither. Each file notes how many of its rows have which (reason, label, bin of the score, no known word).

    Attributes:
        columns: Names of the results' columns but for ds and source, in order.
        ds, source: Of all rows, where the input has no column of that name.
        bins: How many bins of equal width, each open below and closed above, scores are counted in.
        statistics: As of ``Packer``.
    """

    models: Models
    wanted: Wanted
    champions: Names
    challengers: Names
    columns: tuple[str, ...]
    ds: str | None
    source: str | None
    run_id: str
    bins: int
    codec: str
    statistics: tuple[str, ...]

    def __call__(self, batches: Batches) -> Batches:
        """Files of the rows of one task."""
        self.models.prepare()
        packer = Packer(("kind", "ds", "source"), self.codec, self.statistics, plain=("id", "score"))
        held: list[pa.RecordBatch] = []
        rows = 0
        for batch in self.models.gathered(batches):
            held.append(self._answered(batch))
            rows += len(batch)
            if rows >= _GROUP_ROWS:
                yield from self._pack(packer, held)
                held, rows = [], 0
        if held:
            yield from self._pack(packer, held)
        yield from packer.close()
        settle()

    def _answered(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows with their answers instead of text and key."""
        keys = batch.column("key") if "key" in batch.schema.names else None
        kept = {name: batch.column(name) for name in batch.schema.names if name not in ("text", "key")}
        texts = batch.column("text")
        odd = undecodable(texts)
        if odd is not None:
            texts = pc.if_else(pa.array(odd), pa.scalar(None, texts.type), texts)
            kept["refused"] = pc.coalesce(kept["refused"], pc.if_else(pa.array(odd), UNDECODABLE, None))
        answer = score_batch(texts, keys, self.models, self.wanted)
        return pa.record_batch(kept | dict(zip(answer.type.names, answer.flatten(), strict=True)))

    def _pack(self, packer: Packer, held: Sequence[pa.RecordBatch]) -> Batches:
        rows = pa.Table.from_batches(held).combine_chunks()
        reason = _reasons(rows)
        rows = rows.set_column(rows.column_names.index("refused"), "reason", reason)
        for day, named, refused, part in _parts(rows):
            ds = day if "ds" in rows.column_names else self.ds
            source = named if "source" in rows.column_names else self.source
            table, noted = self._rejects(part) if refused else self._results(part)
            yield from packer.write((KINDS[refused], ds, source), table, noted)

    def _rejects(self, rows: pa.Table) -> tuple[pa.Table, Noted]:
        reason = rows["reason"].combine_chunks()
        counts = {(each["values"], None, None, 0): each["counts"] for each in reason.value_counts().to_pylist()}
        return pa.table({"id": rows["id"], "reason": reason, "run_id": _same(self.run_id, len(rows))}), counts

    def _results(self, rows: pa.Table) -> tuple[pa.Table, Noted]:
        found = self.champions.columns(rows, "")
        if self.challengers.models:
            found |= self.challengers.columns(rows, CHALLENGER)
        found |= {name: rows[name] for name in rows.column_names if name in self.columns and name not in found}
        found["run_id"] = _same(self.run_id, len(rows))
        if "evidence" not in found:
            found["evidence"] = pa.nulls(len(rows), pa.string())
        return pa.table({name: found[name] for name in self.columns}), self._noted(found)

    def _noted(self, found: dict[str, Any]) -> Noted:
        """How many rows have which label, bin of the score, and no known word."""
        label, score = found["label"], np.nan_to_num(found["score"].to_numpy().astype(np.float64))
        bins = np.clip(np.ceil(score * self.bins).astype(np.int64) - 1, 0, self.bins - 1)
        unknown = found["known_tokens"].to_numpy() == 0
        codes = (label.indices.to_numpy().astype(np.int64) * self.bins + bins) * 2 + unknown
        counts: dict[tuple[Any, ...], int] = {}
        rows = np.bincount(codes)
        for code in np.flatnonzero(rows):
            number, place = divmod(int(code) // 2, self.bins)
            counts[None, label.dictionary[number].as_py(), place, int(code) % 2] = int(rows[code])
        return counts


def _reasons(rows: pa.Table) -> pa.Array:
    """Why each row has no score, null where it has one: what the JVM said, else what the models did."""
    refused, model = rows["refused"].combine_chunks(), rows["model"].to_numpy()
    if not (model < 0).any():
        return refused
    words = list(REASONS.values())
    code = np.zeros(len(model), np.int32)
    for place, number in enumerate(REASONS):
        code[model == number] = place
    return pc.coalesce(refused, _chosen(words, code, model >= 0).cast(pa.string()))


def _parts(rows: pa.Table) -> Iterator[tuple[str | None, str | None, bool, pa.Table]]:
    """The rows of each day, source and kind in their order; None for a day or source that is null or no column."""
    refused = rows["reason"].is_valid().to_numpy()
    code = refused.astype(np.int64)
    values: list[list[Any]] = []
    for name in ("ds", "source"):
        found = rows[name].combine_chunks().dictionary_encode() if name in rows.column_names else None
        values.append([None] if found is None else [*found.dictionary.to_pylist(), None])
        if found is not None:
            code = code + 2 * _stride(values[:-1]) * found.indices.fill_null(len(values[-1]) - 1).to_numpy()
    present, place = np.unique(code, return_inverse=True)
    order = np.argsort(place, kind="stable") if len(present) > 1 else None
    ordered = rows if order is None else rows.take(pa.array(order))
    ends = np.cumsum(np.bincount(place, minlength=len(present)))
    for number, begin, end in zip(present, [0, *ends], ends, strict=False):
        days, sources = values
        day = days[int(number) // 2 % len(days)]
        source = sources[int(number) // 2 // len(days)]
        yield None if day is None else day.isoformat(), source, bool(number % 2), ordered.slice(begin, end - begin)


def _stride(values: Sequence[Sequence[Any]]) -> int:
    return math.prod(len(each) for each in values)


def _chosen(words: Sequence[str], code: npt.NDArray[np.int32], mask: npt.NDArray[np.bool_]) -> pa.DictionaryArray:
    """The word of each number, null where ``mask`` is true."""
    numbers = pa.array(code.astype(np.int32), mask=mask if mask.any() else None)
    return pa.DictionaryArray.from_arrays(numbers, pa.array(words, pa.string()))


def _same(word: str, count: int) -> pa.DictionaryArray:
    return _chosen([word], np.zeros(count, np.int32), np.zeros(count, np.bool_))
