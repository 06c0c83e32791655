"""The examples in the package's docstrings run as a reader would type them.

pytest's own collection would import every module of the package in each of its processes. Here only those with examples
are imported.
"""

import csv
import doctest
import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.commands import ROOT
from textclf import Workspace, load_pipeline

_PROMPT = re.compile(r"^\s*>>> ", re.MULTILINE)
SESSIONS = ("textclf.scoring.udf", "textclf.spark.session")
"""Modules whose examples open a session; they get the tests' own session."""
APART = ("textclf.integrations.mlflow_flavor",)
"""Modules whose examples change MLflow's global state; they run in a separate process."""
JOBS = (
    "textclf.config.load",
    "textclf.runs.workspace",
    "textclf.storage.warehouse",
    "textclf.corpus.ingest",
    "textclf.corpus.vocabulary",
    "textclf.training.train",
    "textclf.search.search",
    "textclf.scoring.score",
    "textclf.scoring.days",
    "textclf.report.run.data",
    "textclf.report.run.page",
)
"""Modules whose examples run in this order, on the workspace that docs/reference.md describes."""


class _Finder(doctest.DocTestFinder):
    """Finds examples of decorated functions too, whose globals are those of the decorator's module."""

    def _from_module(self, module: ModuleType | None, object: object) -> bool:
        found: bool = super()._from_module(module, inspect.unwrap(object))  # type: ignore[misc,arg-type]
        return found


def modules() -> dict[str, int]:
    """Return the number of examples in each module that has any."""
    found = {}
    for path in sorted((ROOT / "textclf").rglob("*.py")):
        if count := len(_PROMPT.findall(path.read_text(encoding="utf-8"))):
            found[dotted(path)] = count
    return found


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = modules()


def run(name: str, given: Mapping[str, Any]) -> tuple[int, int]:
    """Run the examples of a module; return the number of failures and the number of examples."""
    module, runner = importlib.import_module(name), doctest.DocTestRunner()
    for test in _Finder().find(module, name, extraglobs=dict(given)):
        runner.run(test)
    return runner.failures, runner.tries


def run_apart(name: str) -> tuple[int, int]:
    """Like ``run``, but in a new process."""
    imports = "from pathlib import Path; from tests.docs.test_doctests import run"
    code = f"{imports}; print(*run('{name}', {{'folder': Path.cwd()}}))"
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    failures, tries = done.stdout.splitlines()[-1].split()
    return int(failures), int(tries)


def test_there_are_examples() -> None:
    assert len(MODULES) > 20
    assert {"textclf.classifier", "textclf.artifact.store", *SESSIONS, *JOBS} <= set(MODULES)


@pytest.mark.parametrize("name", sorted(MODULES.keys() - set(JOBS)))
def test_its_examples_run(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in SESSIONS:
        request.getfixturevalue("spark")
    monkeypatch.chdir(tmp_path)

    found = run_apart(name) if name in APART else run(name, {"folder": tmp_path})
    assert found == (0, MODULES[name])  # doctest finds every example


def test_the_examples_of_jobs_run_one_after_another(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "pipeline.toml"
    page = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    config.write_text(page.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    _write_reviews(tmp_path)
    given = {"folder": tmp_path, "config": config, "workspace": Workspace(spark, load_pipeline(config))}

    assert {name: run(name, given) for name in JOBS} == {name: (0, MODULES[name]) for name in JOBS}


def _write_reviews(folder: Path) -> None:
    """Write 20 labelled reviews and one without a label, and the texts as a table of two days."""
    rows = [(f"the {word} was {kind}", kind) for word in ("food", "place") for kind in ("good", "bad")] * 5
    with (folder / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows, ("the food was so so", "")])
    texts = [text for text, _ in rows]
    days = [date(2026, 1, 1 + number // 10) for number in range(len(rows))]
    pq.write_table(pa.table({"id": range(len(rows)), "text": texts, "day": days}), folder / "new.parquet")
