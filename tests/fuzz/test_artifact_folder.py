"""Any bytes in a model's folder: the model loads and scores as before, or a clear error names the file.

Loading writes nothing and raises no other exception, whether through the store, an MLflow folder or the
classifier.
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories.artifacts import WORDS, sample
from tests.fuzz import FUZZ
from textclf import Classifier
from textclf.artifact import Artifact, Golden, ModelStore
from textclf.artifact.folder import read_folder, write_folder
from textclf.artifact.manifest import FILES, MANIFEST, FileEntry
from textclf.cli.predict import answers
from textclf.errors import ArtifactError, InputError
from textclf.inference.backends import choose
from textclf.inference.golden import TOLERANCE
from textclf.inference.scorer import make_scorer
from textclf.integrations.mlflow_flavor import TextClassifier

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    store = ModelStore(str(root))
    store.promote("yelp", store.save(with_golden(sample())).manifest.version)
    return root / "yelp/1"


def with_golden(artifact: Artifact) -> Artifact:
    """Return the artifact with golden texts that contain each of its words."""
    scores, _ = make_scorer(artifact).score(pa.array(GOLDEN))
    golden = Golden(GOLDEN, scores.tolist())
    return Artifact.pack(artifact.manifest, artifact.weights, artifact.vocabulary, golden)


GOLDEN = [*WORDS, "the food was good", "", "bad " * 50]
SCORES = make_scorer(sample()).score(pa.array(GOLDEN))[0]


def loaded_or_refused(folder: Path) -> None:
    """Load the model in each way, and check that it is sound or that an ``InputError`` is raised."""
    before = sorted(path.name for path in folder.parent.rglob("*"))
    store = ModelStore(str(folder.parents[1]))
    loads: list[Callable[[], Artifact]] = [
        lambda: store.load("yelp"),
        lambda: read_folder(folder),
        lambda: Classifier.load(folder.parent, "1").artifact_,
    ]
    for load in loads:
        with contextlib.suppress(InputError):  # any other exception fails the test
            found = load()
            assert all(np.isfinite(tensor).all() for tensor in found.weights.values())
            assert len(found.manifest.labels) == len(set(found.manifest.labels)) == found.shape.labels
            scores, _ = choose(found, "auto").scorer(found).score(pa.array(GOLDEN))
            assert scores.shape == SCORES.shape
            assert np.abs(scores - SCORES).max() <= 2 * TOLERANCE
    assert sorted(path.name for path in folder.parent.rglob("*")) == before


def damaged(data: bytes, at: int, noise: bytes, kind: str) -> bytes:
    at %= len(data) + 1
    return {
        "cut": data[:at],
        "insert": data[:at] + noise + data[at:],
        "overwrite": data[:at] + noise + data[at + len(noise) :],
        "replace": noise,
        "nest": data[:at] + b"[" * 100_000,
        "repeat": data + data[at:],
        "flip": data[:at] + bytes([byte ^ (1 << len(noise) % 8) for byte in data[at : at + 1]]) + data[at + 1 :],
    }[kind]


KINDS = ["cut", "insert", "overwrite", "replace", "nest", "repeat", "flip"]
DAMAGE = st.tuples(
    st.integers(0, 10_000),
    st.binary(max_size=40),
    st.sampled_from(KINDS),
)


@FUZZ
@given(st.sampled_from([MANIFEST, *FILES, "../champion"]), DAMAGE, st.booleans())
def test_any_bytes_in_any_file(folder: Path, name: str, damage: Any, agrees: bool) -> None:
    kept = {each: (folder / each).read_bytes() for each in (name, MANIFEST)}
    try:
        data = damaged(kept[name], *damage)
        (folder / name).write_bytes(data)
        if agrees and name in FILES:  # the checksum matches: only the content shows the damage
            manifest = json.loads(kept[MANIFEST])
            manifest["files"][name] = FileEntry.of(data).model_dump()
            (folder / MANIFEST).write_text(json.dumps(manifest))
        loaded_or_refused(folder)
    finally:
        for each, content in kept.items():
            (folder / each).write_bytes(content)


@FUZZ
@given(st.data())
def test_any_values_in_the_manifest(folder: Path, data: st.DataObject) -> None:
    kept = (folder / MANIFEST).read_bytes()
    manifest = json.loads(kept)
    key = data.draw(st.sampled_from(sorted(manifest)) | st.text(max_size=8))
    inner = manifest.get(key)
    if isinstance(inner, dict) and inner and data.draw(st.booleans()):
        inner[data.draw(st.sampled_from(sorted(inner)) | st.text(max_size=8))] = data.draw(VALUES)
    else:
        manifest[key] = data.draw(VALUES)
    try:
        (folder / MANIFEST).write_text(json.dumps(manifest))
        loaded_or_refused(folder)
    finally:
        (folder / MANIFEST).write_bytes(kept)


@pytest.mark.parametrize("kind", ["logistic_regression", "cnn", "embedding_average_pooling"])
def test_finite_weights_that_overflow_are_refused_before_anything_is_scored(kind: str) -> None:
    large = {"logistic_regression": 1.7e308, "cnn": 3e38, "embedding_average_pooling": 3e38}[kind]
    made = sample(kind=kind, labels=("a", "b", "c"))
    weights = {name: np.full_like(tensor, large) for name, tensor in made.weights.items()}
    sound = Golden(["good good", "bad"], [[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]])
    artifact = Artifact.pack(made.manifest, weights, made.vocabulary, sound)
    with np.errstate(all="ignore"), pytest.raises(ArtifactError, match="does not reproduce its golden scores"):
        choose(artifact, "auto").scorer(artifact)
    unsound = Golden(["good good"], [[float("nan")] * 3])
    with pytest.raises(ArtifactError, match=r"golden\.json"):
        Artifact.pack(made.manifest, weights, made.vocabulary, unsound)


def test_a_text_that_overflows_has_no_label() -> None:
    """The golden texts do not cover this case; argmax over NaNs would return the first label."""
    labels = ("a", "b", "c")
    made = sample(labels=labels)
    weights = {name: np.zeros_like(tensor) for name, tensor in made.weights.items()}
    weights["output.kernel"][1:3] = np.array([[1.7e308], [-1.7e308]])  # bad, food: infinity minus infinity
    golden = Golden(["", "the good"], [[1 / len(labels)] * len(labels)] * 2)
    artifact = Artifact.pack(made.manifest, weights, made.vocabulary, golden)

    with np.errstate(all="ignore"):
        answered = TextClassifier(artifact).predict(pd.DataFrame({"text": ["bad bad food food", "good"]}))
        assert answered["score"].tolist() == [None, pytest.approx(1 / len(labels))]
        assert answered["label"].tolist() == [None, "a"]
        with pytest.raises(ArtifactError, match="has no finite scores for 1 of 2 texts"):
            list(
                answers(artifact, choose(artifact, "auto").scorer(artifact), ["", "bad bad food food"], evidence=False)
            )


def test_a_link_in_a_folder_of_another_tool_is_refused(tmp_path: Path) -> None:
    write_folder(sample(), tmp_path / "model")
    weights = tmp_path / "model/weights.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="no file"):
        read_folder(tmp_path / "model")
