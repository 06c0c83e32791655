"""Score one batch of texts with the models of a worker, in Arrow arrays throughout."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.types import ArrayType, FloatType, IntegerType, StringType, StructField, StructType

from textclf.common.arrays import Bool, Float32, Int32, Int64
from textclf.inference.compiled_scorer import CompiledScorer
from textclf.inference.evidence import strongest
from textclf.inference.scorer import TokenScorer
from textclf.scoring.worker.models import Models, Resident
from textclf.text.arrow import undecodable

NULL_TEXT, NO_MODEL, UNDECODABLE, INVALID_SCORE, UNREADABLE = -1, -2, -3, -4, -5
"""Codes for why a row has no score, in place of a model's number."""
REASONS = {
    NULL_TEXT: "null_text",
    NO_MODEL: "no_model",
    UNDECODABLE: "undecodable_bytes",  # a text that is not valid UTF-8
    INVALID_SCORE: "invalid_score",  # finite weights may overflow to a probability that is not a number
    UNREADABLE: "unreadable_row",  # scoring raised an unexpected error; see ``row_errors``
}

CHALLENGER = "challenger_"
"""Prefix of the names of a challenger's fields."""


@dataclass(frozen=True)
class Wanted:
    """What a pass computes beyond label, score and known tokens.

    Attributes:
        scores: Give the score of every label for models with more than two.
        all_scores: Give the score of every label for models with two labels as well.
        evidence: Give the n-gram that moved the decision most.
        challenger: Give label and score of a second model, and its scores of every label if those are wanted.
    """

    scores: bool = False
    all_scores: bool = False
    evidence: bool = False
    challenger: bool = False

    @property
    def schema(self) -> StructType:
        """Type of a worker's answer for a row. Numbers take fewer bytes than names, which the JVM adds."""
        lists = [StructField("scores", ArrayType(FloatType(), False))] if self.scores or self.all_scores else []
        chosen = [
            StructField("model", IntegerType()),
            StructField("label", IntegerType()),
            StructField("score", FloatType()),
        ]
        fields = [*chosen, StructField("known_tokens", IntegerType()), *lists]
        fields += [StructField("evidence", StringType())] if self.evidence else []
        if self.challenger:
            fields += [StructField(f"{CHALLENGER}{each.name}", each.dataType) for each in [*chosen, *lists]]
        return StructType(fields)


class Answers:
    """Scores for the rows of a batch by the models of one role, champions or challengers."""

    def __init__(self, rows: int, wanted: Wanted) -> None:
        self._wanted = wanted
        self.model = np.full(rows, NO_MODEL, np.int32)
        self._label, self._score = np.zeros(rows, np.int32), np.zeros(rows, np.float32)
        self._all: list[tuple[Int64, Float32]] = []

    def put(self, where: Int64 | slice, model: Resident, scores: Float32) -> npt.NDArray[np.intp]:
        """Store a model's scores for some rows; return the number of each row's label."""
        best: npt.NDArray[np.intp] = scores.argmax(axis=1)  # the place of the NaN, in a row that has one
        highest = scores[np.arange(len(scores)), best]
        finite = np.isfinite(highest)  # the same as finite_rows of probabilities, from one number per row
        self.model[where] = model.number if finite.all() else np.where(finite, model.number, INVALID_SCORE)
        self._label[where], self._score[where] = best, highest
        if self._wanted.all_scores or (self._wanted.scores and model.labels > 2):
            self._all.append((np.arange(len(self.model))[where], scores))
        return best

    @property
    def mask(self) -> Bool | None:
        """Mask of the rows without a score; None if all have one."""
        missing: Bool = self.model < 0
        return missing if missing.any() else None

    def columns(self) -> dict[str, pa.Array]:
        """Return the columns model (its number), label and score, and the scores of every label if wanted."""
        mask = self.mask
        columns = {
            "model": pa.array(self.model),
            "label": pa.array(self._label, mask=mask),
            "score": pa.array(self._score, mask=mask),
        }
        return columns | ({"scores": self._lists()} if self._wanted.scores or self._wanted.all_scores else {})

    def _lists(self) -> pa.ListArray:
        missing = self.model < 0
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


class Batch:
    """Answers for one batch, filled model by model."""

    def __init__(self, texts: pa.Array, wanted: Wanted) -> None:
        rows = len(texts)
        self._texts, self._wanted = texts, wanted
        self._champions, self._challengers = Answers(rows, wanted), Answers(rows, wanted)
        self._known = np.zeros(rows, np.int32)
        self._evidence = np.full(rows, None, object)

    def add(self, rows: Int64 | None, model: Resident, challenger: Resident | None = None) -> None:
        """Score some rows, or all if ``rows`` is None, with a model and optionally with its challenger.

        Two models that know the same tokens share them, so that texts are tokenized once.
        """
        texts = self._texts if rows is None else self._texts.take(pa.array(rows))
        if texts.null_count:
            texts = texts.fill_null("")
        where: Int64 | slice = slice(None) if rows is None else rows
        scorer = model.scorer()
        tokens = scorer.index.ragged(texts) if isinstance(scorer, TokenScorer) else None
        scores, self._known[where] = _scored(scorer, texts, tokens)
        best = self._champions.put(where, model, scores)
        if self._wanted.evidence and isinstance(scorer, CompiledScorer) and tokens is not None:
            self._evidence[where] = strongest(scorer, *tokens, best)
        if challenger is not None:
            other = challenger.scorer()
            scores, _ = _scored(other, texts, tokens if _same_tokens(scorer, other) else None)
            self._challengers.put(where, challenger, scores)

    def answer(self, rejected: Bool | None = None, why: int = UNDECODABLE) -> pa.StructArray:
        """Return all answers, shape (rows,), of type ``Wanted.schema``.

        Args:
            rejected: Mask of rows that get no score, shape (rows,).
            why: Reason for those rows, one of the codes of ``REASONS``.
        """
        if self._texts.null_count:
            nulls = self._texts.is_null().to_numpy(zero_copy_only=False)
            self._champions.model[nulls] = NULL_TEXT
        if rejected is not None:
            self._champions.model[rejected] = why
        mask = self._champions.mask
        if mask is not None:
            self._challengers.model[mask] = NO_MODEL
        found = self._champions.columns() | {"known_tokens": pa.array(self._known, mask=mask)}
        if self._wanted.evidence:
            found["evidence"] = pa.array(self._evidence, pa.string(), mask=mask)
        if self._wanted.challenger:
            found |= {f"{CHALLENGER}{name}": values for name, values in self._challengers.columns().items()}
        names = self._wanted.schema.fieldNames()
        return pa.StructArray.from_arrays([found[name] for name in names], names)


def _scored(scorer: Any, texts: pa.Array, tokens: tuple[Any, Any] | None) -> tuple[Float32, Int32]:
    """Return what ``scorer.score`` returns, computed from the tokens if they are known."""
    if tokens is None:
        given: tuple[Float32, Int32] = scorer.score(texts)
        return given
    return scorer.score_tokens(*tokens), np.diff(tokens[1]).astype(np.int32)


def _same_tokens(one: Any, other: Any) -> bool:
    both = isinstance(one, TokenScorer) and isinstance(other, TokenScorer)
    return both and one.index.digest == other.index.digest


def score_batch(texts: pa.Array, keys: pa.Array | None, models: Models, wanted: Wanted) -> pa.StructArray:
    """Score a batch.

    Args:
        texts: Strings in any of Arrow's layouts, shape (n,).
        keys: Key of each row's model, shape (n,); None if one model scores all rows.
        models: The models by key.
        wanted: What to compute.

    Returns:
        Answers of type ``Wanted.schema``, shape (n,); in rows without a score ``model`` is a code of ``REASONS``.
    """
    odd = undecodable(texts)
    if odd is not None:
        texts = pc.if_else(pa.array(odd), pa.scalar(None, texts.type), texts)
    batch = Batch(texts, wanted)
    if keys is None:
        ((key, model),) = models.by_key.items()
        batch.add(None, model, models.challengers.get(key))
    else:
        for key, rows in _by_key(keys):
            if key in models.by_key:
                batch.add(rows, models.by_key[key], models.challengers.get(key))
    return batch.answer(odd)


def unscored(rows: int, why: int, wanted: Wanted) -> pa.StructArray:
    """Return answers as ``score_batch`` does, for rows that all have no score for the same reason."""
    return Batch(pa.array([""] * rows, pa.string()), wanted).answer(np.ones(rows, np.bool_), why)


def _by_key(keys: pa.Array) -> Iterator[tuple[Any, Int64 | None]]:
    """Yield each key with the numbers of its rows in order, None for all rows."""
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
