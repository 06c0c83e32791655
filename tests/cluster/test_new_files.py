"""A new architecture and a new source format need one file each, and all parts of the package find them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable

from tests.cluster.submission import on_cluster, submit_environ
from tests.factories.corpora import invented

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
_ARCHITECTURE = '''
"""The sum of the embeddings, and the output."""

from typing import Any

from textclf.models.base import InputShape, KerasArchitecture
from textclf.models.compilation import Compilation, WordSum
from textclf.models.embedding import EmbeddingHyperparameters, embedding_layer, output_tensors


class EmbeddingSum(KerasArchitecture):
    """Embedding, its sum over the known words, the output."""

    name = "embedding_sum"
    about = "embedding, sum over the known words"
    features = "sequences"
    hyperparameters = EmbeddingHyperparameters

    def tensors(self, hyperparameters: Any, shape: InputShape) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the trained tensors."""
        width = hyperparameters.embedding_dim
        return {"embedding.embeddings": (shape.vocabulary, width), **output_tensors(width, shape)}

    def padding(self, hyperparameters: Any) -> int:
        """Padding has no part in the sum."""
        return 0

    def compilation(self, hyperparameters: Any) -> Compilation:
        """What each known word adds to the output."""
        return Compilation(WordSum("embedding.embeddings", mean=MEAN), hidden=None)

    def build(self, hyperparameters: Any, shape: InputShape) -> Any:
        """An untrained ``keras.Model``."""
        import keras
        from keras import layers, ops

        indices = keras.Input((shape.max_length,), dtype="int32")
        vectors = embedding_layer(hyperparameters, shape)(indices)
        known = ops.cast(ops.expand_dims(ops.not_equal(indices, 0), -1), vectors.dtype)
        summed = ops.sum(vectors * known, axis=1) / ops.maximum(ops.sum(known, axis=1), 1.0)
        output = layers.Dense(shape.outputs, activation=shape.activation, name="output")
        return keras.Model(indices, output(summed), name=self.name)
'''
_FORMAT = '''
"""A label, a bar, a text."""

from collections.abc import Sequence

from textclf.formats.base import Fields, LineFormat, SourceKeys
from textclf.formats.reject_reasons import Reason


class Barred(LineFormat):
    """A label, a bar, a text."""

    name = "barred"

    def fields(self, source: SourceKeys, columns: Sequence[str]) -> Fields:
        """Label before the first bar, text after it."""

        def pick(record: str) -> tuple[str | None, str | None] | Reason:
            label, bar, text = record.partition("|")
            return (text, label) if bar else Reason.MISSING_COLUMN

        return pick
'''
_CONFIG = """
warehouse = "warehouse"
[[sources]]
name = "new"
path = "new.txt"
format = "barred"
[train]
keras_backend = "jax"
[search]
architecture = "embedding_sum"
epochs = 4
[nightly]
build = "train"
[score]
input = "texts"
model = "new"
all_scores = true
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the two new files."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("textclf", "jobs", "conf", "tests"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("spark-submit.sh", "setup.py", "pyproject.toml", "README.md"):
        shutil.copy2(ROOT / file, root / file)
    (root / "textclf/models/embedding_sum.py").write_text(_ARCHITECTURE.lstrip().replace("MEAN", "True"))
    (root / "textclf/formats/barred.py").write_text(_FORMAT.lstrip())
    return root


def _run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=checkout, env=submit_environ(PYTHONPATH=str(checkout)), capture_output=True, text=True, check=False
    )


@pytest.mark.long
def test_a_night_on_a_cluster_reads_trains_and_scores_with_them(checkout: Path, cluster: str) -> None:
    records = [f"{label}|{text}" for text, label in invented(60)]
    (checkout / "new.txt").write_text("\n".join([*records, "no bar in here"]) + "\n")
    texts = [text for text, _ in invented(40)]
    pd.DataFrame({"id": range(40), "text": texts}).to_parquet(checkout / "texts")
    (checkout / "pipeline.toml").write_text(_CONFIG)

    done = _run(
        checkout,
        "./spark-submit.sh",
        *on_cluster(cluster),
        "nightly",
        "--config",
        "pipeline.toml",
        "--date",
        "2024-05-01",
    )
    assert done.returncode == 0, done.stderr

    warehouse = checkout / "warehouse"
    corpus, rejects, results, runs = (
        DeltaTable(str(warehouse / table)).to_pandas() for table in ("corpus", "corpus_rejects", "results", "runs")
    )
    assert sorted(f"{label}|{text}" for text, label in zip(corpus["text"], corpus["label"], strict=True)) == sorted(
        records
    )
    assert rejects["reason"].tolist() == ["missing_column"]
    assert sorted(results["id"].astype(int)) == list(range(40))
    details = json.loads(runs[runs["job"] == "score_table"]["details"].iloc[0])
    # Each worker checks the golden texts, so the run fails where the compiled tables differ from Keras.
    assert details["backends"] == {"new@1": "compiled: embedding_sum can be compiled"}
    shown = _run(checkout, sys.executable, "-m", "textclf", "models", "show", "new", "--models", "warehouse/models")
    assert "embedding_sum" in shown.stdout


@pytest.mark.parametrize(
    ("name", "tests"),
    [
        (
            "embedding_sum",
            ["models", "inference/test_compiled_scorer.py", "inference/test_evidence.py"],
        ),
        ("barred", ["formats", "fuzz/test_source_formats.py"]),
    ],
)
def test_the_tests_of_all_architectures_and_formats_try_them(checkout: Path, name: str, tests: list[str]) -> None:
    # In that file Hypothesis draws the format, so the names of the tests do not contain it.
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-k", f"{name} or test_source_formats")
    files = [f"tests/{each}" for each in tests]
    listed = _run(checkout, sys.executable, "-m", "pytest", "--collect-only", *options, *files).stdout
    assert all(re.search(rf"^{re.escape(file)}.*{name}", listed, re.MULTILINE) for file in files), listed
    done = _run(checkout, sys.executable, "-m", "pytest", *options, *files)
    assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_what_the_tests_try_can_fail(checkout: Path) -> None:
    """The same tests fail for a compilation that differs from the graph."""
    path = checkout / "textclf/models/embedding_sum.py"
    right = path.read_text()
    path.write_text(right.replace("mean=True", "mean=False"))
    try:
        options = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-k", "embedding_sum and every_length")
        done = _run(checkout, sys.executable, "-m", "pytest", *options, "tests/inference/test_compiled_scorer.py")
    finally:
        path.write_text(right)
    assert done.returncode == 1, done.stdout
    assert "not close" in done.stdout or "Not equal to tolerance" in done.stdout
