"""On corpora of a few rows, every architecture gives a working model or raises one of our own errors."""

import re
from pathlib import Path

import numpy as np
import pytest

from textclf import Classifier
from textclf.errors import DataError, InputError
from textclf.models import ARCHITECTURES

SMALL: dict[str, dict[str, int | str]] = {
    "dense": {"units": 2},
    "cnn": {"num_filters": 2, "kernel_size": 2, "embedding_dim": 2},
    "kim_cnn": {"num_filters": 2, "kernel_sizes": "1,2", "embedding_dim": 2},
    "recurrent": {"units": 2, "embedding_dim": 2},
    "attention": {"attention_units": 2, "embedding_dim": 2},
    "embedding_flatten": {"embedding_dim": 2},
    "embedding_max_pooling": {"embedding_dim": 2},
    "embedding_average_pooling": {"embedding_dim": 2},
}
Corpus = list[tuple[str, str]]
LEARNABLE: dict[str, Corpus] = {
    "two rows": [("good", "1"), ("bad", "0")],
    "texts without a word; astral, combining and control characters": [
        ("", "so\nso"),
        ("...", "\u202eabc"),
        ("xx\0yy a\u0301\u0308bc 𝒳𝒴𝒵 😀", "so\nso"),
        ("\u2028\u2029 xx\x1cyy İİ ﷺﷺ ", "\u202eabc"),
        ("aa\rbb\x85cc 👩\u200d👩\u200d👧 ßß", "x" * 300),
    ],
}
REFUSED: dict[str, tuple[Corpus, str]] = {
    "no row": ([], "too few labels"),
    "one row": ([("good food", "1")], "too few labels"),
    "one label": ([("good food", "1"), ("bad food", "1")], "too few labels"),
    "empty texts": ([("", "1"), ("", "0"), ("", "1")], "to learn from"),
    "punctuation": ([("...", "1"), ("?!", "0")], "to learn from"),
}


def classifier(name: str) -> Classifier:
    return Classifier(name, hyperparameters=SMALL.get(name), max_length=4, epochs=1, batch_size=2, random_state=0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_few_rows_make_a_model_that_a_folder_gives_back(name: str, tmp_path: Path) -> None:
    for number, corpus in enumerate(LEARNABLE.values()):
        texts, labels = map(list, zip(*corpus, strict=True))
        model = classifier(name).fit(texts, labels)
        folder = tmp_path / f"tiny{number}"
        model.save(folder)
        again = Classifier.load(folder)

        assert again.artifact_.vocabulary == model.artifact_.vocabulary
        assert again.classes_.tolist() == sorted(set(labels))
        scores = again.predict_proba([*texts, "", "unknown words"])
        assert np.isfinite(scores).all()
        np.testing.assert_array_equal(scores, model.predict_proba([*texts, "", "unknown words"]))


@pytest.mark.parametrize("corpus", REFUSED)
def test_what_no_model_can_learn_from_is_refused_by_every_architecture(corpus: str) -> None:
    rows, words = REFUSED[corpus]
    texts, labels = [text for text, _ in rows], [label for _, label in rows]
    for name in ARCHITECTURES:
        with pytest.raises(DataError, match=words):
            classifier(name).fit(texts, labels)


@pytest.mark.parametrize("texts", [["😀 😍", "😡"], ["a 4", "b"], ["我 喜", "你"]], ids=repr)
def test_single_signs_are_words_to_networks_on_sequences_alone(texts: list[str]) -> None:
    for name in ("dense", "logistic_regression"):
        with pytest.raises(DataError, match=re.escape(f"Classifier('{name}') has no word of two letters or more")):
            classifier(name).fit(texts, ["x", "y"])
    assert classifier("embedding_average_pooling").fit(texts, ["x", "y"]).predict(texts).shape == (2,)


def test_a_fit_that_diverges_is_not_saved() -> None:
    model = classifier("embedding_average_pooling").set_params(learning_rate=1e30, epochs=4)
    with pytest.raises(InputError, match="has diverged; nothing was saved"):
        model.fit(["good food", "bad food", "good", "bad"], ["1", "0", "1", "0"])
