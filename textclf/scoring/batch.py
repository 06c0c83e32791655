"""One batch of texts through the models of a worker, as Arrow arrays all the way."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql.types import ArrayType, FloatType, IntegerType, StringType, StructField, StructType

from textclf.scoring.compiled import CompiledScorer
from textclf.scoring.evidence import strongest
from textclf.scoring.resident import Models, Resident

NULL_TEXT, NO_MODEL = -1, -2
"""In place of a model's number: why a row has no score."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Wanted:
    """What a pass asks for beyond label, score and known tokens.

    Attributes:
        scores: The score of every label, of models with more than two.
        all_scores: Of models with two labels as well.
        evidence: The n-gram that moved the decision most.
    """

    scores: bool = False
    all_scores: bool = False
    evidence: bool = False

    @property
    def schema(self) -> StructType:
        """What a worker gives back for each row: numbers, whose names the JVM knows, are fewer bytes."""
        fields = [
            StructField("model", IntegerType()),
            StructField("label", IntegerType()),
            StructField("score", FloatType()),
            StructField("known_tokens", IntegerType()),
        ]
        fields += [StructField("scores", ArrayType(FloatType(), False))] if self.scores or self.all_scores else []
        fields += [StructField("evidence", StringType())] if self.evidence else []
        return StructType(fields)


class Batch:
    """The answers for one batch, filled model by model."""

    def __init__(self, texts: pa.Array, wanted: Wanted) -> None:
        rows = len(texts)
        self._texts, self._wanted = texts, wanted
        self._model = np.full(rows, NO_MODEL, np.int32)
        self._label, self._known = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
        self._score = np.zeros(rows, np.float32)
        self._all: list[tuple[Rows, npt.NDArray[np.float32]]] = []
        self._evidence = np.full(rows, None, object)

    def add(self, rows: Rows | None, model: Resident) -> None:
        """Score some rows, or all, with a model."""
        texts = self._texts if rows is None else self._texts.take(pa.array(rows))
        if texts.null_count:
            texts = texts.fill_null("")
        scorer, where = model.scorer(), slice(None) if rows is None else rows
        if self._wanted.evidence and isinstance(scorer, CompiledScorer):
            flat, offsets = scorer.index.ragged(texts)
            scores, known = scorer.score_tokens(flat, offsets), np.diff(offsets).astype(np.int32)
            self._evidence[where] = strongest(scorer, flat, offsets, scores.argmax(axis=1))
        else:
            scores, known = scorer.score(texts)
        best = scores.argmax(axis=1)
        self._model[where], self._label[where], self._known[where] = model.number, best, known
        self._score[where] = scores[np.arange(len(scores)), best]
        if self._wanted.all_scores or (self._wanted.scores and model.labels > 2):
            self._all.append((np.arange(len(scores)) if rows is None else rows, scores))

    def answer(self) -> pa.StructArray:
        """All answers, shape (rows,), of type ``Wanted.schema``."""
        if self._texts.null_count:
            self._model[self._texts.is_null().to_numpy(zero_copy_only=False)] = NULL_TEXT
        missing = self._model < 0
        mask = missing if missing.any() else None
        columns: dict[str, pa.Array] = {"model": pa.array(self._model)}
        for name, values in (("label", self._label), ("score", self._score), ("known_tokens", self._known)):
            columns[name] = pa.array(values, mask=mask)
        if self._wanted.scores or self._wanted.all_scores:
            columns["scores"] = self._lists(missing)
        if self._wanted.evidence:
            columns["evidence"] = pa.array(self._evidence, pa.string(), mask=mask)
        return pa.StructArray.from_arrays(list(columns.values()), list(columns))

    def _lists(self, missing: npt.NDArray[np.bool_]) -> pa.ListArray:
        lengths = np.zeros(len(missing), np.int32)
        for rows, scores in self._all:
            lengths[rows] = scores.shape[1]
        lengths[missing] = 0
        offsets = np.append(np.int32(0), np.cumsum(lengths, dtype=np.int32))
        flat = np.empty(offsets[-1], np.float32)
        for rows, scores in self._all:
            kept = ~missing[rows]
            flat[offsets[rows[kept], None] + np.arange(scores.shape[1])] = scores[kept]
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat), mask=pa.array(lengths == 0))


def score_batch(texts: pa.Array, keys: pa.Array | None, models: Models, wanted: Wanted) -> pa.StructArray:
    """Score a batch.

    Args:
        texts: Strings of any of Arrow's layouts, shape (n,).
        keys: Key of each row's model, shape (n,); None where there is one model for all rows.

    Returns:
        Shape (n,), of type ``Wanted.schema``; ``model`` is ``NULL_TEXT`` or ``NO_MODEL`` in rows without a score.
    """
    batch = Batch(texts, wanted)
    if keys is None:
        (model,) = models.by_key.values()
        batch.add(None, model)
    else:
        for key, rows in _by_key(keys):
            if key in models.by_key:
                batch.add(rows, models.by_key[key])
    return batch.answer()


def _by_key(keys: pa.Array) -> Iterator[tuple[Any, Rows | None]]:
    """Each key with its rows in their order; None for all rows."""
    encoded = keys.dictionary_encode()
    numbers = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    names = encoded.dictionary.to_pylist()
    if len(names) == 1 and not keys.null_count:
        yield names[0], None
        return
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(-1, len(names)), side="right")
    for number, name in enumerate(names):
        yield name, order[ends[number] : ends[number + 1]]
