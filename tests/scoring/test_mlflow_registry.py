"""Models of an MLflow registry: only the artifact's files are read, checked and named in the record."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.factories.artifacts import sample
from tests.factories.corpora import source_toml
from tests.scoring.scoring import Scoring, values
from textclf.artifact import Artifact
from textclf.artifact.folder import write_folder
from textclf.artifact.mlflow_registry import (
    DIGEST_TAG,
    default_address,
    load_registered,
    registry_address,
    without_password,
)
from textclf.cli.main import main
from textclf.errors import ArtifactError, InputError, UsageError
from textclf.integrations.mlflow_flavor import log_model, save_model


class Trap:
    """An object whose unpickling runs code; here it only creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a registry with one version of yelp, its champion."""
    import mlflow

    folder = tmp_path_factory.mktemp("registry")
    address = f"sqlite:///{folder / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        place = mlflow.create_experiment("tests", artifact_location=str(folder / "mlruns"))
        with mlflow.start_run(experiment_id=place):
            first = log_model(sample("yelp"), "yelp", alias="champion")
    assert first is not None
    assert (str(first.version), mlflow.active_run()) == ("1", None)
    return address


def registered(address: str, source: Path, **tags: str) -> str:
    """Register a folder as a version, and return its URI."""
    from mlflow import MlflowClient

    client = MlflowClient(address, address)
    return f"models:/yelp/{client.create_model_version('yelp', str(source), tags=tags).version}"


def test_it_is_the_artifact_that_was_logged(address: str) -> None:
    found = load_registered("models:/yelp@champion", address)

    assert (found.artifact.digest, found.version, found.registry) == (sample("yelp").digest, "1", address)
    assert load_registered("models:/yelp/1", address).artifact.digest == found.artifact.digest


def test_a_pickle_beside_the_artifact_is_not_read(address: str, tmp_path: Path) -> None:
    model, sprung = tmp_path / "model", tmp_path / "sprung"
    write_folder(sample("yelp", seed=2), model / "artifacts" / "ours")
    (model / "python_model.pkl").write_bytes(pickle.dumps(Trap(sprung)))
    (model / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    python_model: python_model.pkl\n"
    )

    found = load_registered(registered(address, model), address)

    assert found.artifact.digest == sample("yelp", seed=2).digest
    assert not sprung.exists()


def flipped(files: Path) -> None:
    data = bytearray((files / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (files / "weights.safetensors").write_bytes(data)


def replaced(files: Path) -> None:
    shutil.rmtree(files)
    write_folder(sample("yelp", seed=4), files)


def emptied(files: Path) -> None:
    (files / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flipped, "unusable file weights.safetensors"),
        (replaced, "has changed since it was registered"),
        (emptied, "is not a textclf model"),
    ],
)
def test_what_was_altered_is_refused(address: str, tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    made = sample("yelp", seed=3)
    save_model(made, tmp_path / "model")
    uri = registered(address, tmp_path / "model", **{DIGEST_TAG: made.digest})
    damage(tmp_path / "model" / "data" / "artifact")

    with pytest.raises(ArtifactError, match=said):
        load_registered(uri, address)


@pytest.mark.parametrize("uri", ["models:/yelp@nobody", "models:/yelp/99", "models:/nobody/1"])
def test_what_the_registry_lacks(address: str, uri: str) -> None:
    with pytest.raises(InputError, match=r"does not return models:/"):
        load_registered(uri, address)


@pytest.mark.parametrize("uri", ["models:/yelp", "models:/yelp/Production", "models:yelp@champion", "models:/a/b/1"])
def test_what_is_no_reference(address: str, uri: str) -> None:
    with pytest.raises(UsageError, match="expected: models:/NAME@ALIAS"):
        load_registered(uri, address)


def test_a_dead_registry_is_said_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(InputError) as caught:
        load_registered("models:/yelp@champion", "http://ana:secret@127.0.0.1:9")  # nothing listens there

    assert "registry at http://127.0.0.1:9 " in str(caught.value)
    assert "secret" not in str(caught.value)


def test_which_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert registry_address(None, "/w/models") == default_address("/w/models") == "sqlite:////w/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert registry_address(None, "/w/models") == "http://server"
    assert registry_address("http://other", "/w/models") == "http://other"
    assert without_password("postgresql://u:p@host/db") == "postgresql://host/db"


def test_score_table_scores_with_it(scoring: Scoring, address: str, capfd: pytest.CaptureFixture[str]) -> None:
    scoring.promote(sample("yelp", seed=9))  # the store's champion differs from the registry's
    path = scoring.write([(1, "good food"), (2, "bad")], "id long, text string")
    body = source_toml("yelp") + f'[score]\ninput = "{path}"\nmodel = "models:/yelp@champion"\n'
    scoring.configure(body + f'[mlflow]\ntracking_uri = "{address}"\n')

    assert scoring.job("--date", "2026-01-31") == 0, scoring.said

    record = scoring.record
    expected: Artifact = sample("yelp")
    origin = {"uri": "models:/yelp@champion", "version": "1", "registry": address}
    assert record["details"]["registered_model"] == origin
    assert list(record["models"].values()) == [expected.digest]
    assert values(scoring.results, "id", "label", "model_digest") == [
        (1, "1", expected.digest),
        (2, "0", expected.digest),
    ]
    assert scoring.job("--model", "models:/yelp@nobody") == 3
    assert "does not return models:/yelp@nobody" in scoring.said
    # The command line takes the same reference.
    assert main(["predict", "good food", "--config", str(scoring.config)]) == 0
    assert capfd.readouterr().out.startswith("1\t")
