"""Load models of an MLflow registry as artifacts: ``models:/NAME/VERSION`` and ``models:/NAME@ALIAS``.

Only the artifact's own files are read, which are data with digests. The Python code and the pickles that an MLflow
model may contain are never loaded.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.artifact.artifact import Artifact
from textclf.artifact.folder import read_folder
from textclf.artifact.manifest import FILES, MANIFEST
from textclf.common.credentials import place_without_credentials
from textclf.common.secrets import first_line, remember_credentials
from textclf.errors import ArtifactError, InputError, UsageError

if TYPE_CHECKING:
    from mlflow import MlflowClient

SCHEME = "models:/"
DIGEST_TAG = "digest"
"""Name of the tag of a registered version that holds the digest of its artifact."""

_URI = re.compile(r"models:/(?P<name>[^/@:]+)(?:/(?P<version>[1-9][0-9]{0,8})|@(?P<alias>[A-Za-z0-9_-]+))")
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # they add a line per file to a nightly log
}


@dataclass(frozen=True)
class Registered:
    """A model that was downloaded from an MLflow registry.

    Attributes:
        artifact: The model as data.
        uri: The requested URI.
        version: The registered version, in the registry's own numbering.
        registry: Address of the registry, without a password.
    """

    artifact: Artifact
    uri: str
    version: str
    registry: str


def is_registered(reference: str) -> bool:
    """Whether a reference is to a model of a registry, not ``NAME`` or ``NAME@VERSION`` of a store."""
    return reference.startswith("models:")


def registry_address(given: str | None, models: str) -> str:
    """Return the address of the tracking server: as given, from the environment, or SQLite beside the models.

    Args:
        given: ``[mlflow] tracking_uri`` of the pipeline file.
        models: Folder or URL of the store of models.
    """
    address = given or os.environ.get("MLFLOW_TRACKING_URI") or default_address(models)
    remember_credentials(address)  # MLflow's errors may contain the password without the address
    return address


def default_address(models: str) -> str:
    """Return the address of SQLite beside a local folder of models, or else in the current directory."""
    return "sqlite:///mlflow.db" if "://" in models else f"sqlite:///{Path(models).absolute().parent / 'mlflow.db'}"


def load_registered(uri: str, address: str) -> Registered:
    """Download a model of an MLflow registry and check it.

    Args:
        uri: ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``.
        address: Address of the registry, such as ``http://mlflow:5000`` or ``sqlite:///mlflow.db``.

    Returns:
        The model and its origin.

    Raises:
        UsageError: ``uri`` does not have one of these forms, or MLflow is not installed.
        InputError: The registry does not answer, or has no such model, version or alias.
        ArtifactError: The registered model is not a textclf model, is damaged, or was changed after it was registered.

    Example:
        >>> from textclf import load_registered
        >>> load_registered("yelp@champion", "sqlite:///mlflow.db")
        Traceback (most recent call last):
        textclf.errors.UsageError: This is not a reference to a registered model.
          received: yelp@champion
          expected: models:/NAME@ALIAS or models:/NAME/VERSION, such as models:/yelp@champion
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise UsageError(
            "This is not a reference to a registered model.",
            received=uri,
            expected=f"{SCHEME}NAME@ALIAS or {SCHEME}NAME/VERSION, such as {SCHEME}yelp@champion",
        )
    import_mlflow(f"The model {uri} is in an MLflow registry")
    from mlflow.exceptions import MlflowException

    shown = without_password(address)
    with patience(), tempfile.TemporaryDirectory() as scratch:
        try:
            client = _client(address)
            version = _version(client, found["name"], found["version"], found["alias"])
            folder = _download(client, version, address, scratch)
        except (MlflowException, OSError) as error:
            raise InputError(
                f"The registry at {shown} does not return {uri}.",
                received=first_line(error, named=True).replace(address, shown),
                expected="a registered model with that version or alias",
                fix="compare with `mlflow models` or the registry's web page; [mlflow] tracking_uri or "
                "MLFLOW_TRACKING_URI sets the registry's address",
            ) from error
        artifact = read_folder(_artifact_folder(folder, uri))
    _check_digest(artifact, version.tags.get(DIGEST_TAG), uri)
    return Registered(artifact, uri, str(version.version), shown)


def import_mlflow(why: str) -> None:
    """Import MLflow, or raise an error that says why it is needed.

    Raises:
        UsageError: MLflow is not installed.
    """
    try:
        import mlflow  # noqa: F401 - only to see whether it is installed
    except ImportError as error:
        fix = "pip install 'textclf[mlflow]'"
        raise UsageError(f"{why}, and MLflow is not installed.", fix=fix) from error


def without_password(address: str) -> str:
    """Remove the password from an address, so that records can show it.

    Example:
        >>> without_password("https://ana:secret@mlflow.example/x"), without_password("sqlite:////srv/mlflow.db")
        ('https://mlflow.example/x', 'sqlite:////srv/mlflow.db')
    """
    return place_without_credentials(address)


@contextmanager
def patience() -> Iterator[None]:
    """Set short HTTP timeouts and no progress bars, unless the user has set these variables."""
    added = [name for name in _PATIENCE if name not in os.environ]
    os.environ.update({name: _PATIENCE[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _client(address: str) -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=address, registry_uri=address)


def _version(client: "MlflowClient", name: str, version: str | None, alias: str | None) -> Any:
    if version is not None:
        return client.get_model_version(name, version)
    return client.get_model_version_by_alias(name, alias or "")


def _download(client: "MlflowClient", version: Any, address: str, scratch: str) -> Path:
    from mlflow.artifacts import download_artifacts

    # Download from this version's location. For a models:/ URI MLflow would ask its default registry instead of the one
    # at the address, and an alias could be moved between the lookup and the download.
    place = client.get_model_version_download_uri(version.name, str(version.version))
    found = download_artifacts(artifact_uri=place, dst_path=scratch, tracking_uri=address, registry_uri=address)
    return Path(found)


def _artifact_folder(folder: Path, uri: str) -> Path:
    """Find the one folder of an MLflow model that holds an artifact, wherever the logging tool has put it."""
    holds = [path.parent for path in sorted(folder.rglob(MANIFEST)) if all((path.parent / f).is_file() for f in FILES)]
    if len(holds) != 1:
        raise ArtifactError(
            f"The registered model {uri} is not a textclf model.",
            received=f"{len(holds)} folders with {MANIFEST}, {', '.join(FILES)}",
            expected="one such folder, as search_models and textclf.log_mlflow_model write",
            fix="register a model with one of these, or name another model",
        )
    return holds[0]


def _check_digest(artifact: Artifact, tagged: str | None, uri: str) -> None:
    if tagged is not None and tagged != artifact.digest:
        raise ArtifactError(
            f"The registered model {uri} has changed since it was registered.",
            received=f"digest {artifact.digest}",
            expected=f"digest {tagged}, according to the version's tag",
            fix="find out what changed the registry's files, then register the model again",
        )
