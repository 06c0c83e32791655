"""Every command reports a place that it cannot use with an error that names the problem."""

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.factories.corpora import invented
from textclf import Classifier
from textclf.artifact import ModelStore
from textclf.errors import TextclfError

PLACES = [
    "foo://x",
    "http://x.invalid/y",
    "://",
    "a\0b",
    "x" * 5000,
    "x" * 300,
    "file:",
    "file://host/x",
    "file:///a%zz",
    "\udcff",
    "",
    "a file",
    "a file/x",
    "a folder",
    "/dev/null",
    "/proc/self/status",
    "a pipe",
    "a loop",
]
COMMANDS = {
    "models list": ["models", "list", "--models"],
    "models show": ["models", "show", "yelp", "--models"],
    "predict": ["predict", "good", "--models"],
    "predict with a model": ["predict", "good", "--model", "yelp", "--models"],
    "check": ["check", "--config"],
    "query": ["query", "--config"],
    "init": ["init", "--output", "made.toml"],
    "init to": ["init", "labelled.tsv", "--output"],
    "init with a table": ["init", "labelled.tsv", "--output", "made.toml", "--score"],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a file, a folder, a symlink loop, labelled texts and a pipe without a writer."""
    (tmp_path / "a file").write_text("x\n")
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a loop").symlink_to(tmp_path / "a loop")
    os.mkfifo(tmp_path / "a pipe")
    (tmp_path / "labelled.tsv").write_text("".join(f"{text}\t{label}\n" for text, label in invented(30)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_no_place_ends_a_command_in_a_traceback(textclf: Run, here: Path, command: str) -> None:
    for place in PLACES[:: 4 if command == "check" else 1]:  # each run checks Java, Spark and more
        if place == "a pipe" and "--config" in COMMANDS[command]:
            continue  # a pipeline file may be read from a pipe
        code, _, err = textclf(*COMMANDS[command], place)
        fine = command == "init to"  # most places are names of files that can be created
        assert code in ((0, 2, 3) if fine else (2, 3)), (place[:20], err)
        assert "Traceback" not in err
        if not fine and command != "check":
            assert "what to do" in err or "expected" in err


@pytest.mark.parametrize("place", [place for place in PLACES if place])
def test_a_classifier_says_what_is_wrong_with_its_place(here: Path, place: str) -> None:
    for name in (place, f"{place}/yelp"):
        with pytest.raises(TextclfError):
            Classifier.load(name)


def test_a_place_of_models_is_named_with_what_may_be_one() -> None:
    with pytest.raises(TextclfError, match="The models at foo://x cannot be read") as caught:
        ModelStore("foo://x")
    assert "s3" in str(caught.value.expected)


@pytest.mark.parametrize("place", ["foo://x", "a file", "x" * 300])
def test_check_tells_of_models_that_cannot_be_read(textclf: Run, here: Path, place: str) -> None:
    source = '[[sources]]\nname = "s"\npath = "labelled.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
    (here / "p.toml").write_text(f'warehouse = "w"\nmodels = "{place}"\n{source}')
    code, out, err = textclf("check", "--config", "p.toml")
    assert (code, "Traceback" in err) == (3, False)
    assert "wrong models " in " ".join(out.split())


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("a pipe", "a FIFO"),
        ("/dev/null", "a device"),
        ("/proc/self/status", "without a known size"),
        ("a folder", "no files"),
        ("absent", "The data does not exist"),
    ],
)
def test_init_says_what_a_place_is(textclf: Run, here: Path, place: str, words: str) -> None:
    code, _, err = textclf("init", place, "--output", "made.toml")
    assert (code, words in err) == (3, True), err
