"""The examples in docstrings of the package run, each as a reader would type it.

pytest's own collection would import every module of the package in each of its processes; only those that have examples
are imported here.
"""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from tests.commands import ROOT

_PROMPT = re.compile(r"^\s*>>> ", re.MULTILINE)
SPARK = "textclf.scoring.udf"
"""Its example opens a session, which is the one that there is."""


def modules() -> dict[str, int]:
    """By name, how many lines of examples begin in a module."""
    found = {}
    for path in sorted((ROOT / "textclf").rglob("*.py")):
        if count := len(_PROMPT.findall(path.read_text(encoding="utf-8"))):
            found[dotted(path)] = count
    return found


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = modules()


def test_there_are_examples() -> None:
    assert len(MODULES) > 20
    assert {"textclf.classifier", "textclf.artifact.store", SPARK} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_its_examples_run(name: str, request: pytest.FixtureRequest) -> None:
    if name == SPARK:
        request.getfixturevalue("spark")

    result = doctest.testmod(importlib.import_module(name))

    assert result.failed == 0
    assert result.attempted == MODULES[name]  # none is where doctest does not look
