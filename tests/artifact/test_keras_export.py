from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.factories.artifacts import sample
from textclf.artifact import export_keras
from textclf.errors import UsageError
from textclf.inference.scorer import make_scorer


def test_an_exported_network_scores_as_the_artifact_does(tmp_path: Path) -> None:
    import keras

    artifact = sample(kind="cnn", labels=("a", "b", "c"))
    export_keras(artifact, str(tmp_path / "yelp.keras"))
    texts = ["the food was good", "", "bad bad again"]
    exported = keras.saving.load_model(tmp_path / "yelp.keras")
    result = exported.predict(artifact.encoder.sequences(texts)[0], verbose=0)
    expected, _ = make_scorer(artifact).score(pa.array(texts))
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_what_is_no_network_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"one of: .*cnn"):
        export_keras(sample(), str(tmp_path / "yelp.keras"))


def test_an_exported_file_has_the_name_that_keras_wants(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.keras"):
        export_keras(sample(kind="cnn"), str(tmp_path / "yelp.h5"))
