"""Which packages executors get: those of the lean environment, or all of them."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from textclf.errors import UsageError
from textclf.spark.environments import FULL, LEAN, SETTING, check_tensorflow
from textclf.spark.launch.environment import (
    LEAN_ROOTS,
    digest_of,
    environment_archive,
    lean_distributions,
    lean_files,
    pack_environment,
)
from textclf.spark.launch.environment_choice import environment_kind
from textclf.spark.submit_options import parse

ROOT = Path(__file__).parents[2]
_SOURCE = '[[sources]]\nname = "a"\npath = "a.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
_BASELINE = '[search]\narchitecture = "logistic_regression"\n'
# What no job imports on a cluster: Keras' world, what the command textclf alone uses, and what draws at a terminal.
_NOT_ON_EXECUTORS = {"tensorflow", "keras", "tomlkit", "shtab", "rich"}


def test_the_roots_are_what_is_installed_without_keras() -> None:
    tree = ast.parse((ROOT / "setup.py").read_text())
    assigned = next(node for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "INSTALL")  # type: ignore[attr-defined]
    installed = {re.split(r"[<>=]", word, maxsplit=1)[0] for word in ast.literal_eval(assigned.value)}

    assert installed - _NOT_ON_EXECUTORS == set(LEAN_ROOTS)


def test_the_lean_environment_has_what_the_roots_need_and_no_more() -> None:
    names = set(lean_distributions())

    assert {*LEAN_ROOTS, "py4j", "pydantic-core", "joblib", "threadpoolctl", "python-dateutil"} <= names
    assert not names & {"tensorflow", "keras", "jax", "jaxlib", "mlflow", "pytest", "moto", "deltalake", "venv-pack"}


def test_requirements_of_extras_count_only_where_they_are_asked_for() -> None:
    assert "moto" in lean_distributions(["moto"])
    assert "py-partiql-parser" not in lean_distributions(["moto"])  # of moto[s3]
    assert "no-such-distribution" not in lean_distributions(["no-such-distribution"])


def test_files_of_the_lean_environment_are_those_of_its_distributions() -> None:
    files = lean_files()

    assert any(name.endswith("site-packages/numba/__init__.py") for name in files)
    assert not any("site-packages/tensorflow/" in name or "site-packages/keras/" in name for name in files)


def test_an_archive_is_named_by_its_kind_and_digest(tmp_path: Path) -> None:
    full, lean = (environment_archive(tmp_path, kind) for kind in (FULL, LEAN))
    (tmp_path / "requirements.lock").write_text("another==1\n")

    assert lean.name.startswith("environment-lean-")
    assert full != environment_archive(tmp_path, FULL)
    assert lean != environment_archive(tmp_path, LEAN)


def test_the_digest_of_an_archive_that_is_there_is_that_of_its_content(tmp_path: Path) -> None:
    archive = tmp_path / "environment.tar.gz"
    archive.write_bytes(b"abc")

    pack_environment(archive, FULL)

    assert archive.read_bytes() == b"abc"
    assert digest_of(archive) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("job", "body", "mode", "expected"),
    [
        ("ingest_corpus", "", "client", LEAN),
        ("build_vocabulary", "", "cluster", LEAN),
        ("score_table", "", "client", LEAN),
        ("score_table --backend keras", "", "client", FULL),
        ("score_table --backend=keras", "", "client", FULL),
        ("score_table", '[score]\nbackend = "keras"\n', "client", FULL),
        ("score_table --model models:/a@b", "", "client", LEAN),
        ("score_table --model models:/a@b", "", "cluster", FULL),
        ("score_table --challenger yelp=models:/a@b", "", "cluster", FULL),
        ("score_table", '[score]\nchallenger = {a = "models:/a@b"}\n', "cluster", FULL),
        ("train_model", "", "client", LEAN),
        ("train_model", "", "cluster", FULL),
        ("train_model --architecture logistic_regression", "", "cluster", LEAN),
        ("search_models", "", "client", FULL),
        ("search_models", _BASELINE, "client", LEAN),
        ("search_models", _BASELINE + 'sources.a = {architecture = "cnn"}\n', "client", FULL),
        ("search_models", _BASELINE + "[mlflow]\n", "client", LEAN),
        ("search_models", _BASELINE + "[mlflow]\n", "cluster", FULL),
        ("nightly", "", "client", FULL),
        ("nightly", _BASELINE, "cluster", LEAN),
        ("run", "", "client", FULL),
        ("run", _BASELINE, "cluster", LEAN),
        ("nightly", _BASELINE + '[nightly]\nbuild = "train"\n[score]\nbackend = "keras"\n', "client", FULL),
        ("report", "", "cluster", LEAN),
        ("a_job_of_ones_own", "", "client", FULL),
    ],
)
def test_the_environment_follows_the_job(
    write_config: Callable[[str], Path], job: str, body: str, mode: str, expected: str
) -> None:
    submission = parse([*job.split(), "--config", str(write_config(_SOURCE + body))], {})

    assert environment_kind(submission, driver_there=mode == "cluster") == expected


def test_the_setting_decides() -> None:
    for kind in (FULL, LEAN):
        submission = parse(["--conf", f"{SETTING}={kind}", "ingest_corpus"], {})
        assert environment_kind(submission, driver_there=False) == kind
    with pytest.raises(UsageError, match="expected: auto, full or lean"):
        environment_kind(parse(["--conf", f"{SETTING}=slim", "ingest_corpus"], {}), driver_there=False)


@pytest.mark.parametrize("arguments", [[], ["--config", "nowhere.toml"], ["--config"]])
def test_without_a_pipeline_file_a_driver_here_fails_by_itself(arguments: list[str]) -> None:
    submission = parse(["search_models", *arguments], {})

    assert environment_kind(submission, driver_there=False) == LEAN
    assert environment_kind(submission, driver_there=True) == FULL


def test_work_for_tensorflow_is_refused_where_executors_lack_it() -> None:
    check_tensorflow({"spark.master": "yarn", SETTING: FULL}, "a model")
    check_tensorflow({"spark.master": "local[2]", SETTING: LEAN}, "a model")

    with pytest.raises(UsageError) as raised:
        check_tensorflow({"spark.master": "yarn", SETTING: LEAN}, "yelp@3, which Keras scores")
    assert raised.value.received == "yelp@3, which Keras scores"
    assert f"--conf {SETTING}=full" in str(raised.value)
