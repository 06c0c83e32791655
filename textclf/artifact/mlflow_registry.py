"""Models of an MLflow registry as artifacts: ``models:/NAME/VERSION`` and ``models:/NAME@ALIAS``.

Of what the registry holds, only the artifact's own files are read: they are data with digests. Neither the Python
code nor a pickle that an MLflow model may bring is ever looked at.
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
"""Tag of a registered version with the digest of its artifact."""

_URI = re.compile(r"models:/(?P<name>[^/@:]+)(?:/(?P<version>[1-9][0-9]{0,8})|@(?P<alias>[A-Za-z0-9_-]+))")
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # a line a file in the log of a night
}


@dataclass(frozen=True)
class Registered:
    """A model that was downloaded from an MLflow registry.

    Attributes:
        artifact: The model as data.
        uri: The URI that was asked for.
        version: The registered version, which is the registry's own number.
        registry: Address of the registry, without a password.
    """

    artifact: Artifact
    uri: str
    version: str
    registry: str


def is_registered(reference: str) -> bool:
    """Whether a reference is that of a registry, and not ``NAME`` or ``NAME@VERSION`` of a store."""
    return reference.startswith("models:")


def registry_address(given: str | None, models: str) -> str:
    """Address of the tracking server: the one given, else of the environment, else SQLite beside the models.

    Args:
        given: ``[mlflow] tracking_uri`` of the pipeline file.
        models: Folder or URL of the store of models.
    """
    address = given or os.environ.get("MLFLOW_TRACKING_URI") or default_address(models)
    remember_credentials(address)  # MLflow's errors may hold the password alone
    return address


def default_address(models: str) -> str:
    """SQLite beside a local folder of models, else in the current directory."""
    return "sqlite:///mlflow.db" if "://" in models else f"sqlite:///{Path(models).absolute().parent / 'mlflow.db'}"


def load_registered(uri: str, address: str) -> Registered:
    """Download a model of an MLflow registry and check it.

    Args:
        uri: ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``.
        address: Address of the registry, such as ``http://mlflow:5000`` or ``sqlite:///mlflow.db``.

    Returns:
        The model and where it came from.

    Raises:
        UsageError: ``uri`` is not such a URI, or MLflow is not installed.
        InputError: The registry does not answer, or has no such model, version or alias.
        ArtifactError: The registered model is not one of textclf's, is damaged, or is not the one that was registered.

    Example:
        >>> from textclf import load_registered
        >>> load_registered("yelp@champion", "sqlite:///mlflow.db")
        Traceback (most recent call last):
        textclf.errors.UsageError: This is not a reference to a registered model.
          received: yelp@champion
          expected: models:/NAME@ALIAS or models:/NAME/VERSION, as models:/yelp@champion
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise UsageError(
            "This is not a reference to a registered model.",
            received=uri,
            expected=f"{SCHEME}NAME@ALIAS or {SCHEME}NAME/VERSION, as {SCHEME}yelp@champion",
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
                f"The registry at {shown} does not give {uri}.",
                received=first_line(error, named=True).replace(address, shown),
                expected="a registered model with that version or alias",
                fix="compare with `mlflow models` or the registry's page; [mlflow] tracking_uri or "
                "MLFLOW_TRACKING_URI says which registry",
            ) from error
        artifact = read_folder(_artifact_folder(folder, uri))
    _check_digest(artifact, version.tags.get(DIGEST_TAG), uri)
    return Registered(artifact, uri, str(version.version), shown)


def import_mlflow(why: str) -> None:
    """Import MLflow, or say why it is needed.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import mlflow  # noqa: F401 - only whether it is there
    except ImportError as error:
        fix = "pip install 'textclf[mlflow]'"
        raise UsageError(f"{why}, and MLflow is not installed.", fix=fix) from error


def without_password(address: str) -> str:
    """An address as records may show it.

    Example:
        >>> without_password("https://ana:secret@mlflow.example/x"), without_password("sqlite:////srv/mlflow.db")
        ('https://mlflow.example/x', 'sqlite:////srv/mlflow.db')
    """
    return place_without_credentials(address)


@contextmanager
def patience() -> Iterator[None]:
    """Short waits for HTTP and no progress bars, where the user has set none."""
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

    # The place of this version: MLflow would ask its own registry about a models:/ URI, not the one at the address,
    # and an alias could be moved between the look and the download.
    place = client.get_model_version_download_uri(version.name, str(version.version))
    found = download_artifacts(artifact_uri=place, dst_path=scratch, tracking_uri=address, registry_uri=address)
    return Path(found)


def _artifact_folder(folder: Path, uri: str) -> Path:
    """The one folder of an MLflow model that holds an artifact, wherever the tool that logged it put it."""
    holds = [path.parent for path in sorted(folder.rglob(MANIFEST)) if all((path.parent / f).is_file() for f in FILES)]
    if len(holds) != 1:
        raise ArtifactError(
            f"The registered model {uri} is not one of textclf's.",
            received=f"{len(holds)} folders with {MANIFEST}, {', '.join(FILES)}",
            expected="one, as search_models and textclf.log_mlflow_model leave",
            fix="register a model of this package, or name another one",
        )
    return holds[0]


def _check_digest(artifact: Artifact, tagged: str | None, uri: str) -> None:
    if tagged is not None and tagged != artifact.digest:
        raise ArtifactError(
            f"The registered model {uri} is not the one that was registered.",
            received=f"digest {artifact.digest}",
            expected=f"digest {tagged}, by the version's tag",
            fix="register the model again, and look into who changed the registry's files",
        )
