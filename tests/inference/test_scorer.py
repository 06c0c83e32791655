from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.factories.artifacts import sample
from textclf.artifact import ModelStore
from textclf.inference.scorer import make_scorer

TEXTS = ["the food was good", "bad food", "", "zzz", "good good good good good good good bad"]


@pytest.mark.parametrize("kind", ["logistic_regression", "cnn"])
@pytest.mark.parametrize("labels", [("0", "1"), ("a", "b", "c", "d", "e", "f")], ids=["two labels", "six labels"])
def test_a_text_has_a_probability_of_each_label(kind: str, labels: tuple[str, ...]) -> None:
    scores, known = make_scorer(sample(kind=kind, labels=labels)).score(pa.array(TEXTS))
    assert scores.shape == (5, len(labels))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    assert known.tolist() == [4, 2, 0, 0, 8]


@pytest.mark.parametrize("kind", ["logistic_regression", "cnn"])
def test_a_score_does_not_depend_on_the_other_texts(kind: str) -> None:
    scorer = make_scorer(sample(kind=kind))
    together, _ = scorer.score(pa.array(TEXTS * 200))
    alone = np.vstack([scorer.score(pa.array([text]))[0] for text in TEXTS])
    assert np.array_equal(together, np.tile(alone, (200, 1)))


@pytest.mark.parametrize("kind", ["logistic_regression", "cnn"])
def test_no_texts_have_no_scores(kind: str) -> None:
    scores, known = make_scorer(sample(kind=kind)).score(pa.array([], pa.string()))
    assert scores.shape == (0, 2)
    assert known.shape == (0,)


def test_a_saved_network_scores_the_same(tmp_path: Path) -> None:
    artifact = sample(kind="cnn")
    store = ModelStore(str(tmp_path))
    store.save(artifact)
    first, _ = make_scorer(artifact).score(pa.array(TEXTS))
    second, _ = make_scorer(store.load("yelp", "1")).score(pa.array(TEXTS))
    assert np.array_equal(first, second)
