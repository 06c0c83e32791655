"""The n-gram reported as evidence is the one whose removal changes the decision."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.factories.artifacts import sample
from textclf.artifact import Artifact
from textclf.inference.compiled_scorer import CompiledScorer
from textclf.inference.evidence import strongest
from textclf.models import ARCHITECTURES

WORDS = tuple(f"w{number}" for number in range(60))
CASES: dict[str, dict[str, Any]] = {
    "logistic_regression": {},
    "dense": {},
    "embedding_flatten": {"embedding_dim": 6},
    "embedding_average_pooling": {"embedding_dim": 6},
    "embedding_max_pooling": {"embedding_dim": 16},
    "cnn": {"embedding_dim": 6, "num_filters": 24, "kernel_size": 3},
    "kim_cnn": {"embedding_dim": 6, "num_filters": 12, "kernel_sizes": "1,2,3"},
}
PLANS = {name: made.compilation(made.parse({})) for name, made in ARCHITECTURES.items()}
CASES = {name: CASES.get(name, {}) for name, plan in PLANS.items() if plan is not None}


def evidence(scorer: CompiledScorer, texts: list[str], chosen: np.ndarray | None = None) -> list[str | None]:
    flat, offsets = scorer.index.ragged(pa.array(texts))
    if chosen is None:
        chosen = scorer.score_tokens(flat, offsets).argmax(axis=1)
    return strongest(scorer, flat, offsets, chosen)


def without(tokens: np.ndarray, begin: int, width: int, kind: str) -> np.ndarray:
    """Return the tokens without some: padded where positions matter, else dropped."""
    plan = PLANS[kind]
    if plan is not None and plan.word_sum is not None and not plan.word_sum.by_position:
        return np.delete(tokens, np.s_[begin : begin + width])
    hidden = tokens.copy()
    hidden[begin : begin + width] = 0
    return hidden


def ragged(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.append(0, np.cumsum([len(row) for row in rows])).astype(np.int64)
    return np.concatenate(rows).astype(np.int32), offsets


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("kind", CASES)
def test_hiding_the_evidence_costs_the_label_more_than_hiding_other_words(kind: str, labels: int) -> None:
    made = sample(kind=kind, labels=tuple("abc"[:labels]), words=WORDS, max_length=12, given=CASES[kind])
    # Smaller weights keep scores away from 1, where a drop would not be measurable.
    weights = {name: (0.3 * tensor).astype(tensor.dtype) for name, tensor in made.weights.items()}
    scorer = CompiledScorer.of(Artifact.pack(made.manifest, weights, made.vocabulary, made.golden))
    draw = np.random.default_rng(3)
    drops, others = [], []
    for _ in range(150):
        tokens = draw.choice(np.arange(1, 61), 9, replace=False).astype(np.int32)
        flat, offsets = ragged([tokens])
        label = scorer.score_tokens(flat, offsets).argmax(axis=1)
        (found,) = strongest(scorer, flat, offsets, label)
        if found is None:
            continue
        named = [WORDS.index(word) + 1 for word in found.split()]
        width = len(named)
        place = next(at for at in range(9) if tokens[at : at + width].tolist() == named)
        variants = [tokens, *(without(tokens, begin, width, kind) for begin in range(10 - width))]
        scores = scorer.score_tokens(*ragged(variants))[:, label[0]].astype(np.float64)
        losses = np.log(scores[0] / (1 - scores[0])) - np.log(scores[1:] / (1 - scores[1:]))
        drops.append(losses[place])
        apart = np.abs(np.arange(len(losses)) - place) >= width  # skip windows that overlap the evidence
        others.append(losses[apart])
    assert len(drops) > 90
    # Twice the average drop of other words, and a mean rank above .65; by chance these would be 1 and .5.
    assert np.mean(drops) > 2 * max(0.0, float(np.mean(np.concatenate(others))))
    ranks = [np.mean(drop >= other) for drop, other in zip(drops, others, strict=True)]
    assert np.mean(ranks) > 0.65


def test_a_logistic_regression_names_the_word_with_the_largest_weight() -> None:
    scorer = CompiledScorer.of(sample())
    assert evidence(scorer, ["the good food", "BAD the food", "the food", "", "good, bad: bad"]) == [
        "good",
        "bad",
        None,
        None,
        "bad",
    ]


def test_a_text_that_only_padding_decides_has_no_evidence() -> None:
    scorer = CompiledScorer.of(sample(kind="cnn"))
    assert evidence(scorer, ["", "zzz", "   "]) == [None, None, None]


@pytest.mark.parametrize("kind", ["cnn", "kim_cnn"])
def test_numpy_names_the_same_evidence(kind: str) -> None:
    from textclf.kernels import layers_numpy

    artifact = sample(kind=kind, words=WORDS, max_length=7, given=CASES[kind])
    scorer, other = CompiledScorer.of(artifact), CompiledScorer.of(artifact)
    other.loops = layers_numpy
    draw = np.random.default_rng(4)
    texts = [" ".join(draw.choice(WORDS, size)) for size in range(14)]
    assert evidence(scorer, texts) == evidence(other, texts)
