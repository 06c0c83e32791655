from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.artifact.samples import sample
from textclf.artifact import Artifact, ModelStore
from textclf.errors import UsageError
from textclf.scoring.backends import BACKENDS, backend_named
from textclf.scoring.scorer import make_scorer
from textclf.scoring.udf import score_batch

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


def batch(
    texts: list[str | None], keys: list[str | None], *artifacts: Artifact, all_scores: bool = False
) -> pd.DataFrame:
    models = {artifact.manifest.name: artifact for artifact in artifacts}
    return score_batch(pd.Series(texts), pd.Series(keys), models, make_scorer, all_scores=all_scores)


def test_each_row_goes_to_its_own_model() -> None:
    result = batch(["good", "good", "good", None], ["a", "b", "c", "a"], sample("a"), sample("b", labels=("no", "yes")))
    assert result["label"].tolist() == ["1", "yes", None, None]
    assert result["model"].tolist() == ["a", "b", None, None]
    assert result["reason"].tolist() == [None, None, "no_model", "null_text"]
    assert result["scores"].tolist() == [None] * 4
    assert result["score"][0] == pytest.approx(1 / (1 + np.exp(-3.1)))


def test_scores_of_all_labels_come_on_request_and_with_more_than_two() -> None:
    asked = batch(["good"], ["a"], sample("a"), all_scores=True)
    six = batch(["good"], ["a"], sample("a", labels=tuple("abcdef")))
    assert len(asked["scores"][0]) == 2
    assert len(six["scores"][0]) == 6
    assert six["score"][0] == six["scores"][0].max()


def test_a_backend_that_this_release_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match="one of: auto, keras"):
        backend_named("compiled" if "compiled" not in BACKENDS else "quantum")
