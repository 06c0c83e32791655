"""The n-gram that a score names is the one whose loss changes the decision."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.artifact.samples import sample
from textclf.scoring.compiled import CompiledScorer
from textclf.scoring.evidence import strongest

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


def evidence(scorer: CompiledScorer, texts: list[str], chosen: np.ndarray | None = None) -> list[str | None]:
    flat, offsets = scorer.index.ragged(pa.array(texts))
    if chosen is None:
        chosen = scorer.score_tokens(flat, offsets).argmax(axis=1)
    return strongest(scorer, flat, offsets, chosen)


def logits(scorer: CompiledScorer, texts: list[str]) -> np.ndarray:
    scores = scorer.score(pa.array(texts))[0].astype(np.float64)
    return np.log(scores) - np.log(1 - scores)


def hidden(words: list[str], begin: int, width: int) -> str:
    """The text with some words replaced by padding that keeps all others in place, at its end, or unknown."""
    return " ".join([*words[:begin], *words[begin + width :]])


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("kind", CASES)
def test_hiding_the_evidence_costs_the_label_more_than_hiding_other_words(kind: str, labels: int) -> None:
    names = tuple("abc"[:labels])
    scorer = CompiledScorer.of(sample(kind=kind, labels=names, words=WORDS, max_length=12, given=CASES[kind]))
    draw = np.random.default_rng(3)
    texts = [" ".join(draw.choice(WORDS, 9, replace=False)) for _ in range(150)]
    chosen = scorer.score(pa.array(texts))[0].argmax(axis=1)
    drops, others = [], []
    for text, found, label in zip(texts, evidence(scorer, texts), chosen, strict=True):
        if found is None:
            continue
        words = text.split()
        width = len(found.split())
        place = next(at for at in range(9) if words[at : at + width] == found.split())
        variants = [hidden(words, begin, width) for begin in range(10 - width)]
        losses = logits(scorer, [text])[0, label] - logits(scorer, variants)[:, label]
        drops.append(losses[place])
        others.append(np.delete(losses, place))
    assert len(drops) > 100
    # Against the average window in its text, and as the worst of all of them in most texts.
    assert np.mean(drops) > 2 * max(0.0, float(np.mean(np.concatenate(others))))
    ranks = [np.mean(drop >= other) for drop, other in zip(drops, others, strict=True)]
    assert np.mean(ranks) > 0.8


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
    from textclf.scoring import plain

    artifact = sample(kind=kind, words=WORDS, max_length=7, given=CASES[kind])
    scorer, other = CompiledScorer.of(artifact), CompiledScorer.of(artifact)
    other.loops = plain
    draw = np.random.default_rng(4)
    texts = [" ".join(draw.choice(WORDS, size)) for size in range(14)]
    assert evidence(scorer, texts) == evidence(other, texts)
