import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.factories.corpora import invented, real
from textclf import Classifier, ModelStore
from textclf.errors import InputError, UsageError

TEXTS = [text for text, _ in invented(60)]
LABELS = [label for _, label in invented(60)]


def test_the_tutorials_figure(data: Path) -> None:
    """Logistic regression scores the published 0.7960 on 250 rows of yelp, and agrees with scikit-learn's pipeline."""
    texts, labels = zip(*real(data / "uci/yelp_labelled.txt"), strict=True)
    train, test, y_train, y_test = train_test_split(texts, labels, test_size=0.25, random_state=1000)
    model = Classifier("logistic_regression").fit(train, y_train)
    assert model.score(test, y_test) == 0.796
    peer = Pipeline([("counts", CountVectorizer()), ("model", LogisticRegression(max_iter=1000))]).fit(train, y_train)
    np.testing.assert_allclose(model.predict_proba(test), peer.predict_proba(test), atol=1e-6)


@pytest.mark.parametrize(
    "labels",
    [np.array(LABELS), np.array(LABELS, int), np.array(LABELS) == "1", [10 * int(label) for label in LABELS]],
    ids=["str", "int", "bool", "list"],
)
def test_labels_keep_their_type_through_a_folder(labels: Any, tmp_path: Path) -> None:
    model = Classifier("logistic_regression", random_state=3).fit(TEXTS, labels)
    assert model.classes_.tolist() == sorted(set(np.asarray(labels).tolist()))
    assert model.predict(TEXTS).tolist() == list(labels)
    assert model.save(tmp_path / "models/yelp") == "yelp@1"
    again = Classifier.load(tmp_path / "models/yelp")
    assert again.predict(TEXTS).tolist() == list(labels)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert (again.get_params()["architecture"], again.get_params()["random_state"]) == ("logistic_regression", 3)


def test_saved_models_are_those_of_the_jobs(tmp_path: Path) -> None:
    model = Classifier("logistic_regression", hyperparameters={"C": 0.5}).fit(TEXTS, LABELS)
    folder = tmp_path / "models/yelp"
    assert [model.save(folder), model.save(folder, promote=False)] == ["yelp@1", "yelp@2"]
    store = ModelStore(str(tmp_path / "models"))
    assert (store.names(), store.champion("yelp"), store.versions("yelp")) == (["yelp"], "1", ["1", "2"])
    assert store.load("yelp").manifest.hyperparameters["C"] == 0.5
    assert Classifier.load(folder, "2").artifact_.reference == "yelp@2"
    with pytest.raises(InputError, match="no such model"):
        Classifier.load(folder, "3")


@pytest.mark.parametrize(
    "texts",
    [tuple(TEXTS), np.array(TEXTS), np.array(TEXTS, object), pd.Series(TEXTS, index=range(60, 0, -1)), pa.array(TEXTS)],
)
def test_texts_of_every_kind(texts: Any) -> None:
    model = Classifier("logistic_regression", random_state=0).fit(texts, LABELS)
    plain = Classifier("logistic_regression", random_state=0).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(model.predict_proba(texts), plain.predict_proba(TEXTS))


def test_in_pipelines_and_cross_validation() -> None:
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = Pipeline([("lower", lower), ("model", Classifier("logistic_regression"))])
    assert cross_val_score(pipeline, TEXTS, LABELS, cv=3).tolist() == [1.0, 1.0, 1.0]


def test_a_search_over_a_network() -> None:
    small = {"num_filters": 4, "kernel_size": 2, "embedding_dim": 4}
    model = Classifier("cnn", hyperparameters=small, max_length=10, learning_rate=0.05, random_state=1)
    search = GridSearchCV(model, {"epochs": [1, 15]}, cv=2).fit(TEXTS, LABELS)
    assert search.best_params_ == {"epochs": 15}
    best = search.best_estimator_
    assert len(best.history_["loss"]) == 15
    again = clone(best).fit(TEXTS, LABELS)  # the same seed gives the same model
    np.testing.assert_array_equal(again.predict_proba(TEXTS), best.predict_proba(TEXTS))
    thawed = pickle.loads(pickle.dumps(best))
    np.testing.assert_array_equal(thawed.predict_proba(TEXTS), best.predict_proba(TEXTS))


@pytest.mark.parametrize(
    ("texts", "labels", "words"),
    [
        ("one text", ["1"], "The texts are not a list."),
        ([["a"], ["b"]], ["0", "1"], "Row 0 is not a string."),
        (["a", None], ["0", "1"], "Row 1 is not a string."),
        (np.array([["a"], ["b"]]), ["0", "1"], "shape"),
        (["a", "b"], ["1", "1"], "too few labels"),
        (["a", "b"], ["0", "1", "1"], "inconsistent numbers of samples"),
        ([], [], "too few labels"),
    ],
)
def test_data_that_cannot_be_used(texts: Any, labels: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Classifier("logistic_regression").fit(texts, labels)


def test_settings_that_cannot_be_used() -> None:
    with pytest.raises(NotFittedError):
        Classifier().predict(["a"])
    with pytest.raises(UsageError, match="did you mean cnn"):
        Classifier("cn").fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="epochs=0"):
        Classifier(epochs=0).fit(TEXTS, LABELS)
    with pytest.raises(UsageError, match=r"patience=2, validation_size=0\n(.|\n)*set validation_size too"):
        Classifier(patience=2).fit(TEXTS, LABELS)
    with pytest.raises(UsageError, match="unknown num_filter"):
        Classifier(hyperparameters={"num_filter": 3}).fit(TEXTS, LABELS)
