"""Every notebook runs from start to end in a fresh kernel, and is committed without outputs."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

# Text that each notebook must print.
SAYS = {
    "01_tutorial": (
        *(
            f"{name}: "
            for name in ("logistic_regression", "dense", "embedding_flatten", "embedding_max_pooling", "cnn")
        ),
        "coverage ",
    ),
    "02_search_per_source": (
        "pictures: films-",
        "restaurants-space",
        "20 trials run, 0 known before",
        "0 trials run, 20 known before",
    ),
    "03_query_results": ("3000 rows in", "null_text", "the same in all three"),
    "04_bring_your_own_table": (
        'labels = ["happy", "unhappy"]',
        "400 rows in, 400 scored",
        "as their authors meant them",
    ),
}
LONG = ("02_search_per_source", "04_bring_your_own_table")
"""Notebooks that take a minute or more; ``make soak`` runs them."""


def read(path: Path) -> Any:
    """Read a notebook."""
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} >= set(SAYS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert cells
    assert [cell.source for cell in cells if cell.outputs or cell.execution_count is not None] == []


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.long if path.stem in LONG else ()) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_it_runs_from_start_to_end(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(path.parents[1]))  # the kernel runs in another folder
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = read(path)

    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()

    printed = "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", []))
    missing = [words for words in SAYS.get(path.stem, ()) if words not in printed]
    assert missing == []
