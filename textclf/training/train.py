"""Train a model of a source and keep it as the next version."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from textclf import __version__
from textclf.artifact import Artifact, Golden, Manifest, ModelStore
from textclf.config import Pipeline, Source
from textclf.models import InputShape, architecture
from textclf.scoring.scorer import make_scorer
from textclf.tables import Warehouse
from textclf.text.build import load_vocabulary
from textclf.text.encoder import Encoder
from textclf.training.data import Dataset, load_dataset
from textclf.training.evaluate import evaluate
from textclf.training.fit import Fit, fit, word_vocabulary
from textclf.training.settings import separate

_PACKAGES = ("keras", "numpy", "scikit-learn", "tensorflow")
_GOLDEN_ROWS = 32
_GOLDEN_EDGES = ("", "   ", "...", "zzzqqq xxyyzz", "ÀÉÎ İstanbul ΣΑΣ 東京", "a\u0085b\u00a0c", "good bad " * 500)


@dataclass(frozen=True)
class Trained:
    """A trained model and whether it is the champion now."""

    artifact: Artifact
    history: dict[str, list[float]]
    parameters: int
    champion: str


def train_model(
    spark: SparkSession,
    warehouse: Warehouse,
    pipeline: Pipeline,
    source: Source,
    name: str,
    overrides: Mapping[str, str],
    *,
    promote: bool = False,
) -> Trained:
    """Train architecture ``name`` on a source's training rows and save it as the source's next version.

    The first version of a model becomes its champion; a later one only with ``promote``.

    Raises:
        UsageError: No such architecture, hyperparameter or setting.
        InputError: No corpus or vocabulary of the source, or too few labels.
    """
    made = architecture(name)
    hyperparameters, settings = separate(pipeline, made, overrides)
    dataset = load_dataset(spark, warehouse, pipeline, source)
    encoder = _encoder(spark, warehouse, pipeline, source, dataset, made.tokenizer)
    shape = InputShape(encoder.vocabulary.size(encoder.num_words), encoder.max_length, len(dataset.labels))
    sys.stderr.write(f"{source.name}: {made.name}, {len(dataset.train)} training and {len(dataset.test)} test rows\n")
    fitted = fit(made, hyperparameters, shape, encoder, dataset.train, settings)
    store = ModelStore(warehouse.models)
    draft = Manifest(
        name=source.name,
        version=store.next_version(source.name),
        architecture=made.name,
        hyperparameters=hyperparameters.model_dump(),
        labels=dataset.labels,
        tokenizer=encoder.tokenizer,
        num_words=encoder.num_words,
        max_length=encoder.max_length,
        metrics={},
        training=settings.model_dump() | {"rows": len(dataset.train), "split": pipeline.split.model_dump()},
        corpus_digest=dataset.corpus_digest,
        packages={"textclf": __version__} | {name: package_version(name) for name in _PACKAGES},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    artifact = _measured(draft, fitted, encoder, dataset)
    store.save(artifact)
    if promote or store.champion(source.name) is None:
        store.promote(source.name, artifact.manifest.version)
    champion = store.champion(source.name) or ""
    return Trained(artifact, fitted.history, made.parameter_count(hyperparameters, shape), champion)


def _encoder(
    spark: SparkSession, warehouse: Warehouse, pipeline: Pipeline, source: Source, dataset: Dataset, tokenizer: str
) -> Encoder:
    text = pipeline.text
    if tokenizer == "keras":
        return Encoder(tokenizer, load_vocabulary(spark, warehouse, source.name), text.num_words, text.max_length)
    vocabulary = word_vocabulary(dataset.train)
    return Encoder(tokenizer, vocabulary, len(vocabulary.tokens) + 1, text.max_length)


def _measured(draft: Manifest, fitted: Fit, encoder: Encoder, dataset: Dataset) -> Artifact:
    """The artifact with its metrics on the test rows and its golden scores, both by its own scorer."""
    vocabulary = encoder.vocabulary
    unproved = Artifact.pack(draft, fitted.weights, vocabulary, Golden([], np.empty((0, len(draft.labels))).tolist()))
    scorer = make_scorer(unproved)
    texts = [*_GOLDEN_EDGES, *dataset.test.texts.slice(0, _GOLDEN_ROWS).to_pylist()]
    golden = Golden(texts, scorer.score(pa.array(texts))[0].tolist())
    metrics = evaluate(scorer.score(dataset.test.texts)[0], dataset.test.labels)
    return Artifact.pack(draft.model_copy(update={"metrics": metrics}), fitted.weights, vocabulary, golden)
