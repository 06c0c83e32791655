"""``from textclf import ...`` works for every documented name, which is imported lazily."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import textclf
from tests.commands import ROOT

HEAVY = ("pyspark", "tensorflow", "keras", "jax", "pandas", "numpy", "pyarrow", "sklearn", "numba", "mlflow")


def documented() -> list[str]:
    """Return the names that the reference documents at the top level of the package."""
    page = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    return re.findall(r"^::: textclf\.(\w+)$", page, re.MULTILINE)


def test_the_reference_documents_what_can_be_imported_and_nothing_deeper() -> None:
    page = (ROOT / "docs/reference.md").read_text(encoding="utf-8")

    assert sorted([*documented(), "TextclfError"]) == sorted([*textclf.__all__, "errors"])  # documented under errors
    assert re.findall(r"^::: textclf\.\w+\.", page, re.MULTILINE) == []


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    tree = ast.parse(Path(textclf.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    seen = {
        alias.asname or alias.name: (f"{node.module}", alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    expected = {
        name: (f"textclf.{home}", textclf._AT_HOME.get(name, name)) for name, home in sorted(textclf._HOMES.items())
    }
    assert seen == expected
    assert sorted(expected) == sorted(textclf.__all__)


@pytest.mark.parametrize("name", textclf.__all__)
def test_a_name_is_the_object_of_its_module(name: str) -> None:
    home = import_module(f"textclf.{textclf._HOMES[name]}")

    assert getattr(textclf, name) is getattr(home, textclf._AT_HOME.get(name, name))
    assert name in dir(textclf)


def test_importing_the_package_loads_nothing_heavy() -> None:
    ask = f"import sys, textclf; print(dir(textclf)); print(*set({HEAVY}) & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)

    names, loaded = done.stdout.splitlines()
    assert set(textclf.__all__) <= set(ast.literal_eval(names))
    assert loaded == ""


def test_a_name_that_there_is_not_says_so() -> None:
    with pytest.raises(AttributeError, match="module 'textclf' has no attribute 'Clasifier'"):
        textclf.Clasifier  # noqa: B018


def test_names_of_the_release_before_go_on_working() -> None:
    from textclf.report.run.page import render
    from textclf.scoring.days import Range
    from textclf.scoring.score import ScoreOptions
    from textclf.search.search import Report

    assert (render, Range) == (textclf.render_report, textclf.DayRange)
    assert (ScoreOptions, Report) == (textclf.ScoreOptions, textclf.SearchReport)
