"""Models in MLflow's format: they take a column of texts and return labels and probabilities.

``save_model`` writes an artifact to a folder as an MLflow model. ``log_model`` writes it to a run and, with a name, to
the registry. The scores are those of ``score_table --backend auto``, because the scorer is the same.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from textclf.artifact import Artifact
from textclf.artifact.finite_scores import finite_rows
from textclf.artifact.folder import read_folder, write_folder
from textclf.artifact.mlflow_registry import DIGEST_TAG, import_mlflow
from textclf.spark.environments import package_version

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

TEXT, LABEL, SCORE = "text", "label", "score"
_NEEDED = ("numba", "numpy", "pandas", "pyarrow", "pydantic", "safetensors", "scipy")
_FOR_KERAS = ("keras", "tensorflow")


class TextClassifier:
    """The model that ``mlflow.pyfunc.load_model`` returns.

    Args:
        artifact: Model that has passed all checks.

    Raises:
        ArtifactError: The scorer does not reproduce the scores recorded at training.
    """

    def __init__(self, artifact: Artifact) -> None:
        from textclf.inference.backends import choose

        self._labels, self._scorer = (
            np.array(artifact.manifest.labels, object),
            choose(artifact, "auto").scorer(artifact),
        )

    def predict(self, model_input: Any, params: Any = None) -> pd.DataFrame:  # noqa: ARG002 - MLflow's signature
        """Predict the label of each text and the label's probability.

        Both are None for a null text, and for a text for which the weights overflow: servers write the result as JSON,
        which has no NaN. (``mlflow.pyfunc.spark_udf`` turns the label None into the text "None"; its score is null.)

        Args:
            model_input: Frame of n rows with a column ``text``.
            params: Not used; MLflow passes it.

        Returns:
            Frame of n rows with the columns ``label`` and ``score``.
        """
        given = model_input[TEXT]
        # pandas gives a column of nulls a numeric type.
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
    """Return the input and output columns of a model, which MLflow and its servers check."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    return ModelSignature(
        Schema([ColSpec("string", TEXT)]), Schema([ColSpec("string", LABEL), ColSpec("float", SCORE)])
    )


def save_model(artifact: Artifact, path: str | Path) -> None:
    """Save a model as an MLflow model, with signature and input example, to a new folder.

    The code of textclf is saved with the model: a server needs the packages that the model lists, but not textclf. The
    scores are those of ``score_table --backend auto``.

    Args:
        artifact: Model, from ``ModelStore.load`` or ``Classifier.artifact_``.
        path: Folder, which must not exist yet.

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
    import_mlflow("A model is to be saved for MLflow")
    import mlflow

    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch, "artifact")
        write_folder(artifact, files)
        mlflow.pyfunc.save_model(str(path), data_path=str(files), **_described(artifact))


def log_model(artifact: Artifact, name: str | None = None, *, alias: str | None = None) -> "ModelVersion | None":
    """Log a model as an MLflow model to the active run, or a new one, on the tracking server that MLflow uses.

    Args:
        artifact: Model, from ``ModelStore.load`` or ``Classifier.artifact_``.
        name: Name under which to register the model as the next version; None to log it without registering.
        alias: Alias, such as ``champion``, to point to that version; needs ``name``.

    Returns:
        Registered version; None without a name.

    Raises:
        UsageError: MLflow is not installed.
        mlflow.exceptions.MlflowException: The server does not answer or refuses the request.

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
    import_mlflow("A model is to be logged to MLflow")
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
    """Use the active run, or start a new one."""
    import mlflow

    if mlflow.active_run() is not None:
        yield
        return
    with mlflow.start_run():
        yield


def _described(artifact: Artifact) -> dict[str, Any]:
    """Return the arguments that describe a model to MLflow."""
    from textclf.inference.backends import choose

    packages = _NEEDED if choose(artifact, "auto").name == "compiled" else (*_NEEDED, *_FOR_KERAS)
    code = Path(__file__).parents[1]
    return {
        "loader_module": __name__,
        "code_paths": [str(code)] if code.is_dir() else None,  # a driver on a cluster has the package as a zip
        "signature": signature(),
        "input_example": pd.DataFrame({TEXT: ["Crust is not good.", "Loved this place."]}),
        "pip_requirements": [f"{package}=={package_version(package)}" for package in ("mlflow", *packages)],
        "metadata": {"model": artifact.reference, "digest": artifact.digest, "labels": artifact.manifest.labels},
    }


def _load_pyfunc(data_path: str) -> TextClassifier:
    return TextClassifier(read_folder(Path(data_path)))
