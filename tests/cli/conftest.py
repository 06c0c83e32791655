"""Fixtures that run the command line in this process and make models for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.factories.artifacts import sample
from textclf.artifact import ModelStore
from textclf.cli.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def textclf(capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command and returns its exit code, standard output and standard error."""

    def run(*argv: object) -> tuple[int, str, str]:
        capfd.readouterr()
        try:
            code = main([str(word) for word in argv])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with three versions of yelp, the first two promoted in turn, and one promoted version of trec."""
    made = ModelStore(str(tmp_path / "models"))
    for seed in range(3):
        made.save(sample("yelp", seed=seed))
    made.save(sample("trec", "cnn", labels=tuple("abcdef")))
    for version in ("1", "2"):
        made.promote("yelp", version)
    made.promote("trec", "1")
    return made
