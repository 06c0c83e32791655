"""Labels and texts of any type are unchanged after a model is saved and loaded, or are refused."""

import contextlib
import datetime
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import FUZZ
from textclf import Classifier
from textclf.errors import ArtifactError, DataError, InputError, TextclfError
from textclf.training.labels import restore_classes, type_name

WORDS = ["good", "bad", "plain", "loud"]
DAY = datetime.date(2026, 1, 5)
Label = Any
KINDS: list[st.SearchStrategy[Label]] = [
    st.text(max_size=4)
    | st.sampled_from(["1", "1.0", "True", "", " ", "\0", "a\0", "\ud800", "naïve", "nan", "None", np.str_("x")]),
    st.integers(-3, 3),
    st.integers(min_value=-(1 << 70), max_value=1 << 70) | st.sampled_from([np.int8(3), np.uint64(1 << 63)]),
    st.booleans() | st.just(np.bool_(True)),
    st.floats(),
    st.sampled_from([1.0, 2.0, -0.0, 1e20, 2.0**60, np.float32(2)]),
    st.sampled_from([None, pd.NA, pd.NaT, math.nan, DAY, np.datetime64("2026-01-05"), b"x", Decimal(1), (1,), 1j]),
]
LISTS = st.one_of(*(st.lists(kind, min_size=2, max_size=6) for kind in [*KINDS, st.one_of(*KINDS)]))


def plain(label: Label) -> Label:
    return label.item() if isinstance(label, np.generic) else label


def kept(given_labels: Any, folder: Path) -> list[Label]:
    """Return what ``predict`` gives for a model's training texts after fit, save and load."""
    rows = list(given_labels)
    different = list(dict.fromkeys(map(str, rows)))
    texts = [f"word{different.index(str(label))}" for label in rows]
    model = Classifier("logistic_regression", hyperparameters={"C": 1000.0}, random_state=0).fit(texts, given_labels)
    model.save(folder / "models/yelp")
    again = Classifier.load(folder / "models/yelp")
    assert again.classes_.tolist() == model.classes_.tolist()
    assert again.classes_.dtype == model.classes_.dtype
    assert again.predict(texts).tolist() == model.predict(texts).tolist()
    found: list[Label] = again.predict(texts).tolist()
    return found


@FUZZ
@given(LISTS)
def test_any_labels_come_back_as_they_were_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, labels: list[Label]
) -> None:
    with contextlib.suppress(DataError):  # any other exception fails the test
        found = kept(labels, tmp_path_factory.mktemp("labels"))
        wanted = [plain(label) for label in labels]
        assert [type(label) for label in found] == [type(label) for label in wanted]
        assert found == wanted


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, 250], np.uint8),
        np.array([-3, 5], np.int16),
        np.array([1, 1 << 63], np.uint64),
        [1, (1 << 64) - 1],
        np.array([1.0, 2.0], np.float32),
        np.array([1.0, 65504.0], np.float16),
        np.array(["a", "bb"], object),
        pd.Series(["b", "a"], dtype="category"),
        pd.Series([True, False], dtype="boolean"),
        pd.Series([7, 8], dtype="Int64"),
        pa.array(["a", "b"]),
        [1e20, 2.0],
        ["so\nso", "\u202e" + "x" * 300],
        ["1", "1.0"],
    ],
)
def test_labels_that_are_kept(labels: Any, tmp_path: Path) -> None:
    wanted = labels if isinstance(labels, list) else np.asarray(labels).tolist()
    assert kept(labels, tmp_path) == wanted


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([None, "a"], "no label in row 0: None"),
        (["a", math.nan], "no label in row 1: nan"),
        (["a", pd.NA], "no label in row 1: <NA>"),
        (np.array([1.0, math.nan]), "no label in row 1"),
        (pd.Series([1, None], dtype="Int64"), "no label in row 1"),
        (pa.array(["a", None]), "no label in row 1: None"),
        (np.ma.array([1, 2], mask=[False, True]), "masked labels, the first in row 1"),
        ([DAY, DAY], "a label of type date in row 0"),
        (np.array(["2026-01-05", "2026-01-06"], "datetime64[D]"), "labels of type datetime64[D]"),
        ([1, 1 << 64], "whole numbers of more than 64 bits"),
        ([-1, 1 << 63], "whole numbers of more than 64 bits"),
        ([1, "1"], "labels of several types, int in row 0 and str in row 1"),
        ([True, 0], "bool in row 0 and int in row 1"),
        ([1, 1.0], "int in row 0 and float in row 1"),
        ([b"a", b"b"], "a label of type bytes in row 0"),
        (np.array([b"a", b"b"]), "labels of type |S1"),
        ([0.5, 1.0], "a continuous target, 0.5 in row 0"),
        ([math.inf, 1.0], "infinity in row 0"),
        (["", "a"], "an empty label in row 0"),
        (["a", "b\0"], "a label with U+0000 in row 1"),
        (["a", "\udc80"], "half a surrogate pair"),
        ([(1, 2), (3, 4)], "y should be a 1d array"),
        ([[1], [2, 3]], "inhomogeneous shape"),
        (5, "int: "),
    ],
)
def test_labels_that_are_refused(labels: Any, words: str) -> None:
    with pytest.raises(ValueError, match="These labels cannot be learned") as caught:
        Classifier("logistic_regression").fit(["good", "bad"], labels)
    assert words in str(caught.value)
    assert isinstance(caught.value, InputError)


NO_TEXTS: dict[str, Any] = {
    "None": None, "NaN": math.nan, "NA": pd.NA, "bytes": b"good", "number": 5, "surrogate": "\ud800",
    "bytes of numpy": np.bytes_(b"good"),
}  # fmt: skip


@pytest.mark.parametrize("text", NO_TEXTS.values(), ids=NO_TEXTS)
def test_what_is_no_text_is_refused_by_fit_and_by_answers(text: Any) -> None:
    model = Classifier("logistic_regression").fit([np.str_("good"), "bad", "", "a\0b good"], ["1", "0", "0", "1"])
    asks: list[Any] = [lambda texts: Classifier("logistic_regression").fit(texts, ["1", "0"])]
    asks += [model.predict, model.predict_proba]
    for ask in asks:
        with pytest.raises(DataError, match=r"Row 1 is not (a string|valid Unicode)"):
            ask(["good", text])
    assert model.predict([np.str_("good"), "", "a\0b good"]).tolist() == ["1", "0", "1"]


@pytest.mark.parametrize("texts", [["😀 😍", "😡"], ["a", "4"], ["我", "你"], ["", " "]], ids=repr)
@pytest.mark.parametrize("architecture", ["dense", "logistic_regression"])
def test_texts_without_a_word_of_two_letters_are_refused(texts: list[str], architecture: str) -> None:
    with pytest.raises(DataError, match="no word of two letters or more"):
        Classifier(architecture, epochs=1).fit(texts * 4, ["x", "y"] * 4)


def test_networks_on_sequences_need_more_than_punctuation() -> None:
    with pytest.raises(DataError, match="nothing but blanks and punctuation"):
        Classifier("cnn", epochs=1).fit(["...", " ", "", "?"], ["x", "y"] * 2)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("complex", ["1", "2"]),
        ("int", ["1", "x"]),
        ("int", ["1", "01"]),
        ("uint8", ["1", "300"]),
        ("bool", ["True", "x"]),
        ("float", ["nan", "1"]),
        ("float", ["0.5", "1"]),
        ([], ["1", "2"]),
        (None, ["1", "2"]),
        ({"a": 1}, ["1", "2"]),
    ],
)
def test_a_manifest_whose_labels_are_of_another_type_is_refused(name: Any, labels: list[str], tmp_path: Path) -> None:
    model = Classifier("logistic_regression").fit(["good", "bad"] * 2, ["1", "2"] * 2)
    model.save(tmp_path / "yelp")
    path = tmp_path / "yelp/1/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["labels"] = labels
    manifest["training"]["label_type"] = name
    path.write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="labels that do not fit its label_type"):
        Classifier.load(tmp_path / "yelp")


def test_what_the_first_release_wrote_is_read() -> None:
    assert restore_classes(["1", str(1 << 63)], "int").tolist() == [1, 1 << 63]
    assert restore_classes(["1.0", "2.0"], "float").tolist() == [1.0, 2.0]
    assert type_name(restore_classes(["1", "2"], "int")) == "int"


def test_every_error_of_labels_is_one_of_ours() -> None:
    assert issubclass(DataError, TextclfError)
    assert issubclass(DataError, ValueError)
