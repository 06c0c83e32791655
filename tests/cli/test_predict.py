import io
import json
import sys

import pyarrow as pa
import pytest

from tests.cli.conftest import Run
from textclf.artifact import ModelStore
from textclf.scoring.scorer import make_scorer


def test_texts_of_the_command_line_get_the_scores_of_keras_and_their_evidence(textclf: Run, store: ModelStore) -> None:
    texts = ["Good food", "the BAD", ""]
    code, out, _ = textclf("predict", *texts, "--models", store.root, "--model", "yelp@1", "--evidence", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    scores, known = make_scorer(store.load("yelp", "1")).score(pa.array(texts))
    assert code == 0
    assert [each["text"] for each in found] == texts
    assert [each["label"] for each in found] == ["1", "0", "1"]
    assert [each["known_tokens"] for each in found] == known.tolist()
    assert [list(each["scores"].values()) for each in found] == [
        pytest.approx(row, abs=1e-6) for row in scores.tolist()
    ]
    assert [each["score"] for each in found] == [max(each["scores"].values()) for each in found]
    assert [each["evidence"] for each in found] == ["good", "bad", None]
    assert {each["model"] for each in found} == {"yelp@1"}


def test_lines_of_standard_input_and_the_champion(
    textclf: Run, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("good\r\nb\u0085ad bad\n\ngood\x1b[2J".encode())))
    code, out, _ = textclf("predict", "--models", store.root, "--model", "yelp")
    assert code == 0
    labels, _, texts = zip(*(line.split("\t") for line in out.split("\n")[:-1]), strict=True)
    assert labels == ("1", "0", "1", "1")
    assert texts == ("good", "b ad bad", "", "good [2J")  # nothing that would move a terminal's cursor


def test_bytes_that_are_no_text(textclf: Run, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good\nb\xe9d\n")))
    code, _, err = textclf("predict", "--models", store.root, "--model", "yelp")
    assert code == 3
    assert "Line 2 of standard input is not UTF-8." in err


def test_one_of_several_models_must_be_named(textclf: Run, store: ModelStore) -> None:
    code, _, err = textclf("predict", "good", "--models", store.root)
    assert code == 2
    assert "one of: trec, yelp" in err
