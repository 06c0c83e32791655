"""A source that cannot be trained on fails with a reason, and the other sources of the search get winners."""

import json
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.factories.artifacts import sample
from tests.factories.corpora import invented, source_toml
from textclf.artifact import ModelStore
from textclf.config import Pipeline, parse_pipeline
from textclf.corpus.vocabulary import build_vocabulary
from textclf.errors import InputError
from textclf.report.training_figures import confusion_figure, save
from textclf.runs.workspace import Workspace
from textclf.search.search import Report, search_models
from textclf.search.summary import details, problems
from textclf.storage import Warehouse
from textclf.storage.schemas import CORPUS
from textclf.training.data import corpus_digests
from textclf.training.evaluation import Evaluation
from textclf.training.train import train_model

EMOJI = [("😀 😍", "pos"), ("😡", "neg")] * 6
LETTERS = [("a b", "pos"), ("c 4", "neg")] * 6
BLANK = [("...", "pos"), ("   ", "neg"), ("", "neg")] * 4
ODD = "so\nso \u202e" + "x" * 300  # an unlikely label that a file can still contain
REST = """
[train]
keras_backend = "jax"
[search]
folds = 3
epochs = 1
candidates = 1
architecture = "embedding_average_pooling"
space = {embedding_dim = [2]}
[search.sources.dense]
architecture = "dense"
space = {units = [2]}
[search.sources.unbeaten]
beat_baseline = false
[search.sources.nested]
nested = 2
"""


def with_unseen(rows: int) -> list[tuple[str, str]]:
    """Return rows with one label that occurs only once, in the test split."""
    made = invented(rows, ("x", ODD))
    tested = int(np.random.RandomState(1000).permutation(rows)[0])
    made[tested] = (made[tested][0], "rare")
    return made


SOURCES: dict[str, list[tuple[str, str]]] = {
    "dense": EMOJI,
    "letters": LETTERS,
    "unbeaten": LETTERS,
    "blank": BLANK,
    "tiny": [(f"{word} soup", label) for word, label in zip("abcde", ["pos", "pos", "neg", "neg", "neg"], strict=True)],
    "single": [("one row", "pos")],
    "nested": invented(8),
    "one": [("good food", "pos")] * 8,
    "good": with_unseen(40),
}


@pytest.fixture(scope="module")
def searched(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Warehouse, Report, str]:
    """Run one search of all sources; also return its standard error."""
    folder = tmp_path_factory.mktemp("small")
    pipeline = parse_pipeline(f'warehouse = "{folder}"\n' + "".join(map(source_toml, SOURCES)) + REST)
    warehouse = Warehouse.of(pipeline)
    rows = [
        (name, "a.txt", position, text, label)
        for name, pairs in SOURCES.items()
        for position, (text, label) in enumerate(pairs)
    ]
    warehouse.replace_sources(spark.createDataFrame(rows, CORPUS.schema), CORPUS, list(SOURCES))
    build_vocabulary(Workspace(spark, pipeline), [source for source in pipeline.sources if source.name != "single"])
    damaged_versions(warehouse.models)
    with redirect_stderr(StringIO()) as said:
        report = search_models(Workspace(spark, pipeline), pipeline.sources, "first")
    return pipeline, warehouse, report, said.getvalue()


def damaged_versions(models: str) -> None:
    """Save four versions of the model ``good`` and damage each in a different way."""
    store = ModelStore(models)
    folders = [Path(models, "good", store.save(sample("good")).manifest.version) for _ in range(4)]
    (folders[0] / "manifest.json").write_bytes(b"[" * 200_000)
    (folders[1] / "manifest.json").write_text("\x00 no JSON")
    old = (folders[2] / "manifest.json").read_text().replace('"format_version": 1', '"format_version": 0')
    (folders[2] / "manifest.json").write_text(old)
    (folders[3] / "weights.safetensors").unlink()  # the manifest alone says that this is not the winner


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("dense", "Source dense has no word of two letters or more to learn from."),
        ("letters", "Source letters, for its baseline, has no word of two letters or more"),
        ("blank", "Source blank has nothing but blanks and punctuation to learn from."),
        ("tiny", "Source tiny: 3 training rows are too few for 3 folds."),
        ("single", "Source single has too few rows to split."),
        ("nested", "Source nested: 3 training rows are too few for 3 inner folds."),
        ("one", "Source one has too few labels to learn from."),
    ],
)
def test_a_source_that_cannot_be_learned_from_has_a_reason(
    searched: tuple[Pipeline, Warehouse, Report, str], source: str, words: str
) -> None:
    _, _, report, _ = searched

    problem = report.outcomes[source].problem
    assert problem is not None
    assert words in problem
    assert report.outcomes[source].trials == 0  # and no worker has died


def test_the_other_sources_have_winners(searched: tuple[Pipeline, Warehouse, Report, str]) -> None:
    _, warehouse, report, _ = searched

    assert {said.partition(":")[0] for said in problems(report)} == set(SOURCES) - {"good", "unbeaten"}
    store = ModelStore(warehouse.models)
    assert store.load("good").manifest.labels == sorted(["x", ODD])
    assert store.load("unbeaten").manifest.labels == ["neg", "pos"]


def test_an_odd_label_is_the_same_in_manifest_measures_and_pictures(
    searched: tuple[Pipeline, Warehouse, Report, str], tmp_path: Path
) -> None:
    _, warehouse, _, _ = searched

    manifest = ModelStore(warehouse.models).load("good").manifest
    measured = Evaluation.from_json(json.dumps(manifest.metrics))
    assert measured.names == tuple(manifest.labels) == tuple(sorted(["x", ODD]))
    save(confusion_figure(measured), tmp_path / "confusion")
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg"}


def test_a_winner_without_a_baseline_says_so(searched: tuple[Pipeline, Warehouse, Report, str]) -> None:
    _, _, report, said = searched

    (warning,) = details(report)["sources"]["unbeaten"]["warnings"]
    assert "unbeaten: no network had a baseline to beat: InputError: Source unbeaten has no word of two" in warning
    assert warning in said


def test_damaged_versions_of_a_model_are_named_and_cost_no_winner(
    searched: tuple[Pipeline, Warehouse, Report, str],
) -> None:
    _, warehouse, report, said = searched

    saved = report.outcomes["good"].saved
    assert saved is not None
    assert (saved.error, saved.version) == (None, "5")
    assert ModelStore(warehouse.models).champion("good") == "5"
    warnings = details(report)["sources"]["good"]["warnings"]
    passed = [warning.partition(" ")[0] for warning in warnings if "damaged and was passed over" in warning]
    assert passed == ["good@3", "good@2", "good@1"]
    assert all(warning in said for warning in warnings)


def test_labels_that_only_test_rows_have_are_named_and_count_as_wrong(
    spark: SparkSession, searched: tuple[Pipeline, Warehouse, Report, str]
) -> None:
    pipeline, warehouse, report, said = searched

    warning = "good: 1 of 10 test rows have labels that no training row has, and count as wrong: rare (1)"
    assert warning in details(report)["sources"]["good"]["warnings"]
    assert warning in said
    manifest = ModelStore(warehouse.models).load("good").manifest
    assert manifest.training["unseen_labels"] == {"rare": 1}
    assert manifest.metrics["unknown"] == 1
    # Another test may have loaded Keras with another backend in this process.
    engine = sys.modules["keras"].config.backend() if "keras" in sys.modules else pipeline.train.keras_backend
    same = pipeline.model_copy(update={"train": pipeline.train.model_copy(update={"keras_backend": engine})})
    with redirect_stderr(StringIO()) as told:
        trained = train_model(Workspace(spark, same), same.sources[-1], "logistic_regression", {}).artifact.manifest
    assert warning in told.getvalue()
    assert trained.training["unseen_labels"] == {"rare": 1}
    assert trained.labels == manifest.labels


@pytest.mark.parametrize(
    ("source", "architecture", "words"),
    [
        ("dense", "dense", "no word of two letters or more"),
        ("letters", "logistic_regression", "no word of two letters or more"),
        ("blank", "cnn", "nothing but blanks and punctuation"),
        ("single", "cnn", "too few rows to split"),
        ("one", "cnn", "too few labels"),
    ],
)
def test_training_refuses_it_too(
    spark: SparkSession,
    searched: tuple[Pipeline, Warehouse, Report, str],
    source: str,
    architecture: str,
    words: str,
) -> None:
    pipeline, _, _, _ = searched
    named = pipeline.source(source)
    assert named is not None

    with pytest.raises(InputError, match=words) as caught:
        train_model(Workspace(spark, pipeline), named, architecture, {})
    assert caught.value.exit_code == 3


def test_a_corpus_digest_does_not_see_a_later_column(spark: SparkSession) -> None:
    """The digests equal those of the last release before columns could be added to ``corpus``."""
    rows = [("a", "x.txt", 0, "good food", "1"), ("a", "x.txt", 1, "süß 😀", "0"), ("b", "y.txt", 0, "", "1")]
    corpus = spark.createDataFrame(rows, CORPUS.schema).coalesce(1)

    known = {
        "a": "3e98eef3be79aea752bb40127e6453af1b647a47a4bb8c2016448c832d099a87",
        "b": "2a61f151dcc8f33dd3a060cf554b6552b63d46e749a6a943c474fe2d177ef29b",
    }
    assert corpus_digests(corpus) == known
    assert corpus_digests(corpus.withColumn("by", F.lit("somebody"))) == known
