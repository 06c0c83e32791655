"""Train a model of a source and save it as the next version."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from textclf._version import __version__
from textclf.artifact import Artifact, Golden, Manifest, ModelStore
from textclf.artifact.finite_scores import finite_rows
from textclf.common.logs import say
from textclf.config import Pipeline, Source
from textclf.corpus.vocabulary import load_vocabulary
from textclf.errors import InputError
from textclf.models import Architecture, KerasArchitecture, architecture
from textclf.runs.workspace import Workspace, takes_workspace
from textclf.spark.environments import package_version
from textclf.text.encoder import Encoder
from textclf.text.tokenizer import TOKENIZERS
from textclf.text.vocabulary import Vocabulary
from textclf.training.data import Rows, load_dataset, unseen_warning
from textclf.training.evaluation import Evaluation, evaluate
from textclf.training.fit import Fit, ModelSpec, fit
from textclf.training.keras_trainer import use_keras_backend
from textclf.training.settings import check_patience, separate, used_by
from textclf.training.usable_texts import check_words

_PACKAGES = ("numpy", "scikit-learn")
_PACKAGES_OF_NETWORKS = ("keras", "numpy", "scikit-learn", "tensorflow")
GOLDEN_ROWS = 32
# Texts on which scorers have differed: empty, blanks, without a known word, in other alphabets and with letters
# whose lower case depends on their neighbours, with unusual line breaks, far longer than max_length.
GOLDEN_EDGES = ("", "   ", "...", "zzzqqq xxyyzz", "ÀÉÎ İstanbul ΣΑΣ 東京", "a\u0085b\u00a0c", "good bad " * 500)


@dataclass(frozen=True)
class TrainedModel:
    """A trained model as saved.

    Attributes:
        artifact: The model as data, with its name and version.
        history: Loss and accuracy on the training rows after each epoch; empty without epochs.
        evaluation: Measures on the test rows.
        parameters: Number of the model's weights.
        champion: The champion's version after the training.
    """

    artifact: Artifact
    history: dict[str, list[float]]
    evaluation: Evaluation
    parameters: int
    champion: str


@takes_workspace
def train_model(
    workspace: Workspace,
    source: Source,
    architecture_name: str,
    overrides: Mapping[str, str],
    *,
    promote: bool = False,
) -> TrainedModel:
    """Train an architecture on a source's training rows and save it as the source's next version.

    The first version of a model becomes its champion; a later version does so only with ``promote``.

    Args:
        workspace: Session, pipeline file (``[text]``, ``[split]``, ``[train]``), tables and models.
        source: A source with rows in ``corpus`` and, for networks, in ``vocabulary``.
        architecture_name: A name of ``textclf.models.ARCHITECTURES``, such as ``cnn``.
        overrides: Hyperparameters and fit settings that differ from the defaults, each as text:
            ``{"num_filters": "64", "epochs": "5"}``.
        promote: Make the version the champion even if there is one; by default only a first version becomes champion.

    Returns:
        The saved model, its measures on the test rows, and the version of the champion.

    Raises:
        UsageError: The architecture, a hyperparameter or a setting does not exist, or does not fit the texts.
        InputError: The source has no corpus or vocabulary, fewer than two labels, or no text with a word; or the fit
            has diverged.

    Example:
        >>> from textclf import train_model
        >>> trained = train_model(workspace, workspace.pipeline.source("reviews"), "logistic_regression", {})
        >>> trained.artifact.manifest.labels, trained.evaluation.accuracy, trained.parameters
        (['bad', 'good'], 1.0, 7)
    """
    prepared = prepare(workspace, source, architecture_name, overrides)
    return save_fitted(workspace, fit_prepared(prepared, log_file(workspace.pipeline, prepared)), promote=promote)


def prepare(
    workspace: Workspace, source: Source, architecture_name: str, overrides: Mapping[str, str]
) -> "PreparedFit":
    """Read all that a model of a source is made from, as ``train_model`` does, which has the same arguments.

    Raises:
        UsageError: The architecture, a hyperparameter or a setting does not exist, or does not fit the texts.
        InputError: The source has no corpus or vocabulary, fewer than two labels, or no text with a word.
    """
    pipeline = workspace.pipeline
    made = architecture(architecture_name)
    hyperparameters, settings = separate(pipeline, made, overrides)
    check_patience(settings)
    dataset = load_dataset(workspace, source)
    check_words(dataset.train.texts, made.tokenizer, f"Source {source.name}")
    text = pipeline.text
    encoder = encoder_of(
        made, dataset.train, text.num_words, text.max_length,
        lambda: load_vocabulary(workspace, source.name, text.num_words - 1),
    )  # fmt: skip
    spec = ModelSpec(made, hyperparameters, encoder, len(dataset.labels), settings)
    made.check(hyperparameters, spec.shape)
    say(f"{source.name}: {made.name}, {len(dataset.train)} training and {len(dataset.test)} test rows")
    if warning := unseen_warning(source.name, dataset.unseen, len(dataset.test)):
        say(warning, "warning", source=source.name)
    origin = Origin(
        source.name, dataset.labels, len(dataset.train), len(dataset.test), pipeline.split.model_dump(),
        dataset.corpus_digest, [*GOLDEN_EDGES, *dataset.test.texts.slice(0, GOLDEN_ROWS).to_pylist()], dataset.unseen,
    )  # fmt: skip
    return PreparedFit(origin, spec, dataset.train, dataset.test, pipeline.train.keras_backend)


def fit_prepared(prepared: "PreparedFit", log: Path | None = None) -> "FittedModel":
    """Fit a model and measure it on the test rows, in the driver or in a worker.

    Args:
        prepared: What the model is made from.
        log: CSV file for the measures of each epoch; None for no file.

    Raises:
        InputError: The fit has diverged.
    """
    origin, spec, test = prepared.origin, prepared.spec, prepared.test
    use_keras_backend(prepared.engine)
    fitted = fit(spec, prepared.train, log)
    scores = fitted.predict(test.texts)
    check_finite(fitted, scores, origin.name)
    evaluation = evaluate(scores, test.labels, origin.labels)
    artifact = pack_model(origin, spec, fitted, evaluation)
    return FittedModel(artifact, fitted.history, evaluation, prepared.parameters)


def save_fitted(workspace: Workspace, fitted: "FittedModel", *, promote: bool = False) -> TrainedModel:
    """Save a model as the next version of the model of its name.

    Args:
        workspace: Models.
        fitted: The model.
        promote: As in ``train_model``.
    """
    store, name = ModelStore(workspace.models), fitted.artifact.manifest.name
    artifact = store.save(fitted.artifact)
    if promote or store.champion(name) is None:
        store.promote(name, artifact.manifest.version)
    champion = store.champion(name) or ""
    return TrainedModel(artifact, fitted.history, fitted.evaluation, fitted.parameters, champion)


def log_file(pipeline: Pipeline, prepared: "PreparedFit") -> Path | None:
    """Return the file for the log of epochs; None if no log is configured or the architecture has no epochs."""
    made = prepared.spec.architecture
    if pipeline.train.logs is None or not isinstance(made, KerasArchitecture):
        return None
    return Path(pipeline.train.logs, f"{prepared.origin.name}-{made.name}-{datetime.now(UTC):%Y%m%dT%H%M%S}.csv")


def encoder_of(
    made: Architecture, rows: Rows, num_words: int, max_length: int, counted: Callable[[], Vocabulary]
) -> Encoder:
    """Make the encoder that an architecture needs: of the most frequent words, or of all words of ``rows``.

    Args:
        made: The architecture.
        rows: Training rows.
        num_words: Networks see the ``num_words - 1`` most frequent words.
        max_length: Maximum number of tokens of a text that networks see.
        counted: Function that returns the words by falling frequency; called only if they are needed.
    """
    if made.tokenizer == "keras":
        vocabulary = counted()
    else:
        vocabulary = sorted_vocabulary(rows, made.tokenizer)
        num_words = len(vocabulary.tokens) + 1
    # Words that the model never sees would only enlarge the artifact.
    kept = Vocabulary(vocabulary.tokens[: vocabulary.size(num_words) - 1])
    return Encoder(made.tokenizer, kept, num_words, max_length)


def sorted_vocabulary(rows: Rows, tokenizer: str) -> Vocabulary:
    """Return the words of texts in alphabetical order, as CountVectorizer numbers them."""
    tokenize = TOKENIZERS[tokenizer]
    return Vocabulary(tuple(sorted({word for text in rows.texts for word in tokenize(text.as_py())})))


@dataclass(frozen=True)
class Origin:
    """Origin of a model, for its manifest.

    Attributes:
        name: The model's name.
        labels: Labels in the order of the scores.
        rows: Number of training rows.
        test_rows: Number of test rows.
        split: ``[split]`` of the pipeline file.
        corpus_digest: Digest of the rows that the model was trained and tested on.
        texts: Golden texts, whose scores are checked wherever the model is loaded.
        unseen: Labels that only test rows have, each with its number of rows.
        search: The search that chose the model; None for a model that was trained on its own.
    """

    name: str
    labels: list[str]
    rows: int
    test_rows: int
    split: dict[str, Any]
    corpus_digest: str
    texts: list[str]
    unseen: Mapping[str, int] = field(default_factory=dict)
    search: dict[str, Any] | None = None


@dataclass(frozen=True)
class PreparedFit:
    """All that decides a model, in a form that can be sent to a worker.

    Attributes:
        origin: Origin of the model.
        spec: Architecture, hyperparameters, encoder and settings.
        train: Training rows.
        test: Test rows.
        engine: Engine of Keras.
    """

    origin: Origin
    spec: ModelSpec
    train: Rows
    test: Rows
    engine: str

    @property
    def parameters(self) -> int:
        """Number of the model's weights."""
        return self.spec.architecture.parameter_count(self.spec.hyperparameters, self.spec.shape)


@dataclass(frozen=True)
class FittedModel:
    """A model that is not saved yet; the attributes are those of ``TrainedModel``."""

    artifact: Artifact
    history: dict[str, list[float]]
    evaluation: Evaluation
    parameters: int


def check_finite(fitted: Fit, scores: npt.NDArray[Any], name: str) -> None:
    """Check that a fit has not diverged: a model whose scores are NaN gives every text its first label.

    Args:
        fitted: The fit.
        scores: Probabilities of the fit for some texts, shape (n, labels).
        name: The model's name, for the message.

    Raises:
        InputError: A weight or a score is infinite or NaN. Even finite weights may overflow to such scores.
    """
    broken = [tensor for tensor, values in fitted.weights.items() if not np.isfinite(values).all()]
    wrong = int(np.sum(~finite_rows(scores)))
    if broken or wrong:
        raise InputError(
            f"The fit of {name} has diverged; nothing was saved.",
            received=f"weights that are not finite in {', '.join(broken)}"
            if broken
            else f"scores that are not finite for {wrong} texts",
            expected="finite weights and scores",
            fix="set a smaller learning_rate or fewer epochs",
        )


def pack_model(origin: Origin, spec: ModelSpec, fitted: Fit, evaluation: Evaluation | None) -> Artifact:
    """Make the artifact of a fitted model; without an evaluation it has no metrics.

    Raises:
        InputError: The fit has diverged.
    """
    encoder = spec.encoder
    training = spec.settings.model_dump(include=used_by(spec.architecture))
    training |= {} if fitted.coverage is None else {"embedding_coverage": fitted.coverage}
    training |= {"unseen_labels": dict(origin.unseen)} if origin.unseen else {}
    training |= {} if origin.search is None else {"search": origin.search}
    # Others need not be installed: a search of the baseline runs on executors without TensorFlow.
    packages = _PACKAGES_OF_NETWORKS if isinstance(spec.architecture, KerasArchitecture) else _PACKAGES
    manifest = Manifest(
        name=origin.name,
        architecture=spec.architecture.name,
        hyperparameters=spec.hyperparameters.model_dump(),
        labels=origin.labels,
        tokenizer=encoder.tokenizer,
        num_words=encoder.num_words,
        max_length=encoder.max_length,
        metrics={} if evaluation is None else json.loads(evaluation.to_json()),
        training=training | {"rows": origin.rows, "test_rows": origin.test_rows, "split": origin.split},
        corpus_digest=origin.corpus_digest,
        packages={"textclf": __version__} | {package: package_version(package) for package in packages},
    )
    scores = fitted.predict(pa.array(origin.texts, pa.string()))
    check_finite(fitted, scores, origin.name)
    golden = Golden(origin.texts, scores.tolist())
    return Artifact.pack(manifest, fitted.weights, encoder.vocabulary, golden)
