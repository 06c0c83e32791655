"""A champion as MLflow loads it: a column of texts in, label and probability out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from textclf.artifact import Artifact
from textclf.artifact.manifest import FILES, MANIFEST

TEXT, LABEL, SCORE = "text", "label", "score"


class TextClassifier:
    """What ``mlflow.pyfunc.load_model`` gives back.

    Args:
        artifact: The champion, after every check.
    """

    def __init__(self, artifact: Artifact) -> None:
        from textclf.scoring.scorer import make_scorer

        self._labels, self._scorer = artifact.manifest.labels, make_scorer(artifact)

    def predict(self, model_input: Any, params: Any = None) -> pd.DataFrame:  # noqa: ARG002 - MLflow's signature
        """Label and its probability of each text, in a frame of two columns; ``model_input`` has a column ``text``."""
        scores, _ = self._scorer.score(pa.array(model_input[TEXT].astype(str), pa.string()))
        best = scores.argmax(axis=1)
        return pd.DataFrame({LABEL: [self._labels[place] for place in best], SCORE: scores[np.arange(len(best)), best]})


def write(artifact: Artifact, folder: Path) -> None:
    """The artifact's files in a folder, as ``_load_pyfunc`` reads them."""
    folder.mkdir(parents=True)
    for name, data in {MANIFEST: artifact.manifest_bytes, **artifact.files}.items():
        (folder / name).write_bytes(data)


def _load_pyfunc(data_path: str) -> TextClassifier:
    folder = Path(data_path)
    files = {name: (folder / name).read_bytes() for name in FILES}
    return TextClassifier(Artifact((folder / MANIFEST).read_bytes(), files).checked())
