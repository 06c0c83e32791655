"""The targets of make keep an existing environment and files made by users."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


PINNED = ("requirements.lock", "tensorflow-cpu.lock", "setup.py")
JARS = {"-m textclf.spark.launch.provision", "-m tests.cluster_jars"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Create a checkout whose environment has a fake Python that logs its arguments, and fails as a file says."""
    for name in ("Makefile", *PINNED):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "jvm").mkdir()
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\n! test "$2" = "$(cat "{tmp_path}/fails")"\n')
    python.chmod(0o755)
    (tmp_path / "fails").touch()
    return tmp_path


def make(project: Path, *targets: str, fails: str = "") -> list[str]:
    """Run targets, with a module that fails; return the logged arguments of the environment's Python."""
    asked = project / "asked"
    asked.unlink(missing_ok=True)
    (project / "fails").write_text(fails)
    done = subprocess.run(
        ["make", f"PYTHON={sys.executable}", *targets], cwd=project, capture_output=True, text=True, check=False
    )
    assert bool(done.returncode) == bool(fails), done.stderr
    return asked.read_text().splitlines() if asked.exists() else []


def packages(*words: str) -> str:
    """Return the line that is logged where the packages are installed."""
    return " ".join(("-m", "textclf.spark.launch.python_packages", *words, "--editable"))


def test_targets_install_nothing_where_the_environment_is_what_is_pinned(project: Path) -> None:
    first = make(project, "setup")
    assert set(first[:2]) == {"-m textclf.spark.launch.provision --java", packages()}
    assert set(first[2:]) == JARS | {"-m textclf.spark.launch.bytecode"}

    for name in PINNED:
        later = (project / ".venv/.ready").stat().st_mtime + 10
        os.utime(project / name, (later, later))  # as after checking out another commit and returning
    assert make(project, "setup") == []
    assert make(project, "demo") == ["-m textclf.examples.demo"]
    assert all("packages" not in line and "provision" not in line for line in make(project, "test", "lint", "docs"))

    for name in PINNED:
        with (project / name).open("a") as file:
            file.write("# another pin\n")
        os.utime(project / name, (later + 10, later + 10))
        assert set(make(project, "setup")) == set(first)


def test_an_environment_of_an_earlier_release_is_left_as_it_is(project: Path) -> None:
    (project / ".venv/.ready").touch()  # which did not contain a checksum

    assert make(project, "setup") == []


@pytest.mark.parametrize(("there", "other"), [("cpu", "gpu"), ("gpu", "cpu")])
def test_another_build_of_tensorflow_is_installed_where_it_is_asked_for(project: Path, there: str, other: str) -> None:
    name = {"cpu": "tensorflow_cpu", "gpu": "tensorflow"}[there]
    (project / f".venv/lib/python3.11/site-packages/{name}-2.21.0.dist-info").mkdir(parents=True)
    make(project, "setup")

    assert make(project, "setup", f"TENSORFLOW={there}") == []
    assert make(project, "setup") == []
    assert packages(other) in make(project, "setup", f"TENSORFLOW={other}")
    assert packages("cuda") in make(project, "setup", "TENSORFLOW=cuda")  # which says that there is no such build


@pytest.mark.parametrize("step", ["textclf.spark.launch.python_packages", "textclf.spark.launch.provision",
                                  "tests.cluster_jars"])  # fmt: skip
def test_an_environment_without_one_of_its_parts_is_not_ready(project: Path, step: str) -> None:
    asked = make(project, "setup", fails=step)

    assert not (project / ".venv/.ready").exists()
    assert JARS.isdisjoint(asked) == step.endswith("packages")
    assert set(make(project, "setup")) >= JARS


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
