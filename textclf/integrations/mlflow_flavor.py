"""A model as MLflow has it: a column of texts in, label and probability out.

``save_model`` writes an artifact as an MLflow model in a folder, ``log_model`` into a run and, with a name, into the
registry. The scores are those of ``score_table --backend auto``, because the scorer is the same.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from textclf.artifact import Artifact
from textclf.artifact.finite_scores import finite_rows
from textclf.artifact.folder import read_folder, write_folder
from textclf.artifact.mlflow_registry import DIGEST_TAG, import_mlflow

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

TEXT, LABEL, SCORE = "text", "label", "score"
_NEEDED = ("numba", "numpy", "pandas", "pyarrow", "pydantic", "safetensors", "scipy")
_FOR_KERAS = ("keras", "tensorflow")


class TextClassifier:
    """What ``mlflow.pyfunc.load_model`` gives back.

    Args:
        artifact: The model, after every check.

    Raises:
        ArtifactError: The model scores otherwise here than where it was trained.
    """

    def __init__(self, artifact: Artifact) -> None:
        from textclf.inference.backends import choose

        self._labels, self._scorer = (
            np.array(artifact.manifest.labels, object),
            choose(artifact, "auto").scorer(artifact),
        )

    def predict(self, model_input: Any, params: Any = None) -> pd.DataFrame:  # noqa: ARG002 - MLflow's signature
        """Label and its probability of each text, in a frame of two columns.

        Both are None for a text that is null, or that the weights overflow for: servers write what is here as JSON,
        which has no NaN. (``mlflow.pyfunc.spark_udf`` makes the label None a text of that name; its score is null.)

        Args:
            model_input: A frame with a column ``text``, shape (n,).
            params: Not used; MLflow passes it.
        """
        given = model_input[TEXT]
        # A column of nulls alone has come as numbers.
        texts = (
            pa.nulls(len(given), pa.string()) if given.isna().all() else pa.array(given, pa.string(), from_pandas=True)
        )
        scores, _ = self._scorer.score(texts.fill_null(""))
        best = scores.argmax(axis=1)
        found = pd.DataFrame({LABEL: self._labels[best], SCORE: scores[np.arange(len(best)), best]})
        silent = texts.is_null().to_numpy(zero_copy_only=False) | ~finite_rows(scores)
        if silent.any():
            found = found.astype(object)
            found[silent] = None
        return found


def signature() -> "ModelSignature":
    """The columns that a model reads and gives, as MLflow and its servers check them."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    return ModelSignature(
        Schema([ColSpec("string", TEXT)]), Schema([ColSpec("string", LABEL), ColSpec("float", SCORE)])
    )


def save_model(artifact: Artifact, path: str | Path) -> None:
    """Write a model as an MLflow model, with signature and input example, into a new folder.

    The package travels with the model as code: a server needs the packages that the model names, and not textclf. The
    scores are those of ``score_table --backend auto``.

    Args:
        artifact: The model, from ``ModelStore.load`` or ``Classifier.artifact_``.
        path: The folder, which must not exist yet.

    Raises:
        UsageError: MLflow is not installed.
        mlflow.exceptions.MlflowException: The folder exists already.

    Example:
        >>> from textclf import Classifier, save_mlflow_model
        >>> model = Classifier("logistic_regression").fit(["good food", "bad food"] * 4, ["+", "-"] * 4)
        >>> save_mlflow_model(model.artifact_, folder / "mlflow-model")
        >>> (folder / "mlflow-model" / "MLmodel").is_file()
        True
    """
    import_mlflow("A model for MLflow is to be written")
    import mlflow

    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch, "artifact")
        write_folder(artifact, files)
        mlflow.pyfunc.save_model(str(path), data_path=str(files), **_described(artifact))


def log_model(artifact: Artifact, name: str | None = None, *, alias: str | None = None) -> "ModelVersion | None":
    """Log a model as an MLflow model into the active run, or a new one, of the tracking server that MLflow uses.

    Args:
        artifact: The model, from ``ModelStore.load`` or ``Classifier.artifact_``.
        name: Register the model as the next version of this name; None to log it alone.
        alias: Let this alias of the name, such as ``champion``, point to that version; needs ``name``.

    Returns:
        The registered version; None without a name.

    Raises:
        UsageError: MLflow is not installed.
        mlflow.exceptions.MlflowException: The server does not answer or refuses.

    Example:
        >>> import mlflow
        >>> from textclf import Classifier, load_registered, log_mlflow_model
        >>> mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        >>> _ = mlflow.set_experiment(experiment_id=mlflow.create_experiment("docs", str(folder / "artifacts")))
        >>> model = Classifier("logistic_regression").fit(["good food", "bad food"] * 4, ["+", "-"] * 4)
        >>> log_mlflow_model(model.artifact_, "reviews", alias="champion").version
        1
        >>> load_registered("models:/reviews@champion", f"sqlite:///{folder}/mlflow.db").artifact.manifest.labels
        ['+', '-']
    """
    import_mlflow("A model for MLflow is to be logged")
    import mlflow

    with _run(), tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch, "artifact")
        write_folder(artifact, files)
        logged = mlflow.pyfunc.log_model(name="model", data_path=str(files), **_described(artifact))
    if name is None:
        return None
    tags = {DIGEST_TAG: artifact.digest, "textclf_version": artifact.manifest.version}
    made = mlflow.register_model(logged.model_uri, name, tags=tags)
    if alias is not None:
        mlflow.MlflowClient().set_registered_model_alias(name, alias, made.version)
    return made


@contextmanager
def _run() -> Iterator[None]:
    """The active run, else one of its own."""
    import mlflow

    if mlflow.active_run() is not None:
        yield
        return
    with mlflow.start_run():
        yield


def _described(artifact: Artifact) -> dict[str, Any]:
    """What MLflow is told beside the files."""
    from textclf.inference.backends import choose

    packages = _NEEDED if choose(artifact, "auto").name == "compiled" else (*_NEEDED, *_FOR_KERAS)
    code = Path(__file__).parents[1]
    return {
        "loader_module": __name__,
        "code_paths": [str(code)] if code.is_dir() else None,  # a driver on a cluster has the package as a zip
        "signature": signature(),
        "input_example": pd.DataFrame({TEXT: ["Crust is not good.", "Loved this place."]}),
        "pip_requirements": [f"{package}=={version(package)}" for package in ("mlflow", *packages)],
        "metadata": {"model": artifact.reference, "digest": artifact.digest, "labels": artifact.manifest.labels},
    }


def _load_pyfunc(data_path: str) -> TextClassifier:
    return TextClassifier(read_folder(Path(data_path)))
