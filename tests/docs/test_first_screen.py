"""The commands on README's first screen need only the tools that it names."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import ROOT, assert_quiet

_PROBE = ("-m", "pip", "index", "versions", "pip", "--timeout", "20", "--retries", "1")
QUESTION = "ORDER BY ds, source"
"""The end of the query that the demo shows before its answer."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that is removed afterwards, since pytest would keep the gigabytes of three environments."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "home").mkdir()
        yield Path(folder)


def run(place: Path, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with only PATH and HOME in its environment."""
    bare = {"PATH": os.environ["PATH"], "HOME": str(place / "home")}
    return subprocess.run(words, cwd=folder, env=bare, capture_output=True, text=True, check=False)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_clone_shows_what_sql_says_of_its_results(place: Path) -> None:
    missing = [tool for tool in ("git", "make") if shutil.which(tool) is None]
    if missing or not (ROOT / ".git").exists():
        pytest.skip(f"needs {' and '.join(missing) or 'a repository to clone'}")
    if run(place, place, sys.executable, *_PROBE).returncode:
        pytest.skip("no package index answers: make setup fetches packages from one")
    cloned = run(place, place, "git", "clone", "--quiet", str(ROOT), "textclf")
    assert cloned.returncode == 0, cloned.stderr

    done = run(place, place / "textclf", "make", "demo")

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert_quiet(done.stderr)
    header, *rows = done.stdout.partition(QUESTION)[2].strip().partition("\n\n")[0].splitlines()
    assert header.split() == ["ds", "source", "scored", "positive", "mean_score", "rejected"]
    assert len(rows) >= 3
    assert sum(int(scored) + int(rejected) for _, _, scored, _, _, rejected in map(str.split, rows)) == 100_000
