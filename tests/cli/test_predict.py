import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from tests.cli.conftest import Run
from tests.factories.artifacts import sample
from textclf.artifact import ModelStore
from textclf.inference.scorer import make_scorer


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
    assert texts == ("good", "b\\x85ad bad", "", "good\\x1b[2J")  # control characters are escaped


def test_bytes_that_are_no_text(textclf: Run, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good\nb\xe9d\n")))
    code, _, err = textclf("predict", "--models", store.root, "--model", "yelp")
    assert code == 3
    assert "Line 2 of standard input is not UTF-8." in err


def test_labels_are_shown_without_what_a_terminal_would_act_on(textclf: Run, tmp_path: Path) -> None:
    store = ModelStore(str(tmp_path / "models"))
    labels = ["\x1b[2Jgood", "b\u202ead\tx\n"]
    store.save(sample("tricky", labels=labels))
    store.promote("tricky", "1")
    place = ("--models", store.root)
    _, out, _ = textclf("predict", "good", "bad", *place)
    assert [line.split("\t")[0] for line in out.splitlines()] == ["b\\u202ead\\tx\\n", "\\x1b[2Jgood"]
    _, out, _ = textclf("predict", "good", *place, "--json")
    assert list(json.loads(out)["scores"]) == labels
    assert out.isprintable() or out[:-1].isprintable()
    _, out, _ = textclf("models", "show", "tricky", *place)
    assert "\\x1b[2Jgood, b\\u202ead\\tx\\n" in out
    assert "\x1b" not in out + textclf("models", "show", "tricky", *place, "--json")[1]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
@pytest.mark.parametrize("strict", [True, False])
def test_texts_are_utf8_in_any_locale(store: ModelStore, locale: str, strict: bool) -> None:
    environ = os.environ | {"LC_ALL": locale, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    environ |= {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} if strict else {}
    command = [sys.executable, "-m", "textclf", "predict", "--models", store.root, "--model", "yelp"]

    def ask(*words: str | bytes, given: bytes | None = None) -> tuple[int, bytes, bytes]:
        done = subprocess.run([*command, *words], env=environ, input=given, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    code, out, err = ask("good größe", "--json")
    assert (code, err, json.loads(out)["text"]) == (0, b"", "good größe")
    assert ask("good größe")[:2] in [(0, out) for out in READABLE]
    assert ask(given="good größe\n".encode())[:2] in [(0, out) for out in READABLE]
    code, out, err = ask("good", b"gr\xf6\xdfe")
    assert (code, out) == (3, b"")
    assert b"Text 2 on the command line is not UTF-8." in err


READABLE = ["1\t0.9569\tgood größe\n".encode(), b"1\t0.9569\tgood gr\\xf6\\xdfe\n"]


def test_one_of_several_models_must_be_named(textclf: Run, store: ModelStore) -> None:
    code, _, err = textclf("predict", "good", "--models", store.root)
    assert code == 2
    assert "one of: trec, yelp" in err
