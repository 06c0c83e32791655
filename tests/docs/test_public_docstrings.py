"""Lint fails where a public name is not documented."""

import re
import subprocess
import sys

import pytest

import textclf
from tests.commands import ROOT
from tests.docs.public_docstrings import all_mistakes, mistakes

BUILD = "textclf/corpus/vocabulary.py"
MODULE = '''"""A module."""


def grow(plants: int, *, water: float = 1.0) -> int:
    """Grow plants.

    Args:
        plants: Number of plants.

    Returns:
        Number of leaves.
    """


class Garden:
    """A garden.

    Args:
        beds: Number of beds.

    Example:
        >>> Garden(1, 2)
    """

    def __init__(self, beds: int, paths: int) -> None: ...

    def tend(self, hours: float) -> bool:
        """Tend to it."""

    @property
    def green(self) -> bool:
        """Whether it is."""
'''


def ruff(path: str, text: str) -> str:
    """Return ruff's messages for a file of this project with another text."""
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "concise", "--stdin-filename", path, "-"]
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False).stdout


def test_everything_public_is_documented() -> None:
    assert all_mistakes() == []


def test_what_is_missing_is_named() -> None:
    assert list(mistakes(MODULE, "grow")) == [
        "grow: no example",
        "grow: water is not documented",
        "grow: no Raises",
    ]
    assert list(mistakes(MODULE, "Garden")) == [
        "Garden: paths is not documented",
        "Garden.tend: hours is not documented",
        "Garden.tend: no Returns",
    ]


def test_ruff_refuses_a_parameter_of_the_public_face_without_a_description() -> None:
    text = (ROOT / BUILD).read_text(encoding="utf-8")
    less = re.sub(r"        sources: Sources with .*\n", "", text, count=1)
    assert less != text

    assert ruff(BUILD, text) == "All checks passed!\n"
    assert "D417" in ruff(BUILD, less)
    assert "`sources`" in ruff(BUILD, less)
    assert ruff("textclf/text/other.py", less) == "All checks passed!\n"  # the rule does not apply to other modules


@pytest.mark.parametrize("name", sorted({*textclf._HOMES.values(), "__init__", "errors"}))
def test_ruff_checks_the_docstrings_of_each_public_module(name: str) -> None:
    said = ruff(f"textclf/{name.replace('.', '/')}.py", '"""no summary line"""\n')

    assert "D403" in said or "D415" in said
