"""The targets of make keep an existing environment and files made by users."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Create a checkout whose environment has a fake Python that logs its arguments."""
    for name in ("Makefile", "requirements.lock", "setup.py"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\n')
    python.chmod(0o755)
    return tmp_path


def make(project: Path, *targets: str) -> list[str]:
    """Run targets; return the logged arguments of the environment's Python."""
    asked = project / "asked"
    asked.unlink(missing_ok=True)
    subprocess.run(["make", *targets], cwd=project, capture_output=True, text=True, check=True)
    return asked.read_text().splitlines() if asked.exists() else []


def test_targets_install_nothing_where_the_environment_is_what_is_pinned(project: Path) -> None:
    first = make(project, "setup")
    assert any("pip" in line and "--require-hashes" in line for line in first)
    assert first[-2:] == ["-m textclf.spark.launch.provision", "-m tests.cluster_jars"]

    for name in ("requirements.lock", "setup.py"):
        later = (project / ".venv/.ready").stat().st_mtime + 10
        os.utime(project / name, (later, later))  # as after checking out another commit and returning
    assert make(project, "setup") == []
    assert make(project, "demo") == ["-m textclf.examples.demo"]
    assert all("pip" not in line and "provision" not in line for line in make(project, "test", "lint", "docs"))

    with (project / "requirements.lock").open("a") as file:
        file.write("# another pin\n")
    os.utime(project / "requirements.lock", (later + 10, later + 10))
    assert make(project, "setup") == first


def test_an_environment_of_an_earlier_release_is_left_as_it_is(project: Path) -> None:
    (project / ".venv/.ready").touch()  # which did not contain a checksum

    assert make(project, "setup") == []


def test_clean_keeps_models_and_results_and_the_environment(project: Path) -> None:
    for folder in (
        "warehouse/models",
        "build",
        "dist",
        "spark-warehouse",
        "textclf/__pycache__",
        "jobs",
        "tests",
        "benchmarks",
    ):
        (project / folder).mkdir(parents=True)

    make(project, "clean")

    assert (project / "warehouse/models").is_dir()
    assert (project / ".venv/bin/python").is_file()
    assert not any((project / name).exists() for name in ("build", "dist", "spark-warehouse", "textclf/__pycache__"))
