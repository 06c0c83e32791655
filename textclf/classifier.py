"""A text classifier in scikit-learn's conventions, over the networks, artifacts and scorers of the jobs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from textclf.artifact import Artifact, ModelStore
from textclf.artifact.finite_scores import check_scores
from textclf.common.arrays import Float64, Int32
from textclf.errors import ArtifactError, DataError
from textclf.text.arrow import string_array

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa

    from textclf.text.vocabulary import Vocabulary
    from textclf.training.data import Rows
    from textclf.training.fit import Candidate

_NAME = "classifier"  # of a model before it is saved
_SAVED = ("epochs", "batch_size", "learning_rate", "schedule", "validation_size", "patience")  # as manifests name them


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no type hints
    """Text classifier with ``fit`` and ``predict``, for pipelines, cross-validation and searches of scikit-learn.

    The settings from ``epochs`` to ``class_weight`` are those of networks; logistic regression has none of them.

    Args:
        architecture: A name of ``textclf.models.ARCHITECTURES``, such as ``cnn`` or ``logistic_regression``.
        hyperparameters: Hyperparameters of the architecture that differ from its defaults: ``{"num_filters": 64}``.
        num_words: Size of the vocabulary: networks see the ``num_words - 1`` most frequent words.
        max_length: Length of a text in tokens; longer texts lose their beginning.
        epochs: Number of passes over the training rows.
        batch_size: Rows of a step; of several sizes each holds for an equal part of the epochs.
        learning_rate: Adam's learning rate at the start.
        schedule: Schedule of the learning rate: ``constant``, ``cosine`` or ``plateau``.
        validation_size: Share of the rows, from 0 to 0.5, that is held back to watch the fit.
        patience: Number of epochs without a better validation loss that ends the fit; needs ``validation_size``. None
            for no early stopping.
        class_weight: ``balanced`` weighs each row by the rarity of its label; None weighs all rows alike.
        random_state: Seed of initial weights and of all other draws: the same seed gives the same model.
        keras_backend: ``tensorflow`` or ``jax``; None takes the one of the process or of ``KERAS_BACKEND``.

    Attributes:
        classes_: The labels, sorted, shape (labels,), in the order of the columns of ``predict_proba``.
        artifact_: The model as data, as the jobs use it.
        history_: Loss and accuracy after each epoch, by name; empty without epochs.

    Example:
        >>> texts, labels = ["good food", "so good", "bad food", "so bad"] * 3, ["+", "+", "-", "-"] * 3
        >>> model = Classifier("logistic_regression", random_state=0).fit(texts, labels)
        >>> model.predict(["a good place", "bad service"]).tolist()
        ['+', '-']
        >>> model.classes_.tolist(), model.predict_proba(["good food", "bad food"]).argmax(axis=1).tolist()
        (['+', '-'], [0, 1])
        >>> model.score(texts, labels)
        1.0
        >>> from sklearn.model_selection import cross_val_score
        >>> cross_val_score(model, texts, labels, cv=3).tolist()
        [1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        architecture: str = "cnn",
        *,
        hyperparameters: Mapping[str, Any] | None = None,
        num_words: int = 5000,
        max_length: int = 100,
        epochs: int = 20,
        batch_size: int | tuple[int, ...] = 10,
        learning_rate: float = 0.001,
        schedule: Literal["constant", "cosine", "plateau"] = "constant",
        validation_size: float = 0.0,
        patience: int | None = None,
        class_weight: Literal["balanced"] | None = None,
        random_state: Any = None,
        keras_backend: Literal["tensorflow", "jax"] | None = None,
    ) -> None:
        self.architecture = architecture
        self.hyperparameters = hyperparameters
        self.num_words = num_words
        self.max_length = max_length
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.validation_size = validation_size
        self.patience = patience
        self.class_weight = class_weight
        self.random_state = random_state
        self.keras_backend = keras_backend

    def fit(self, X: Iterable[str], y: Any) -> "Self":  # noqa: N803 - scikit-learn's name
        """Learn from texts and their labels.

        Args:
            X: Texts, shape (n,): strings. None, NaN, ``pd.NA`` and bytes are refused, here as in ``predict``; an empty
                text is a text.
            y: Labels, shape (n,), of one type: strings, whole numbers of up to 64 bits, whole floats or booleans.
                Missing labels, days, bytes, fractions and labels of several types are refused: a model's folder would
                not give them back as they are.

        Returns:
            The classifier itself.

        Raises:
            DataError: A text or label is of another kind, there are fewer than two labels, or no text has a word.
            UsageError: There is no such architecture or hyperparameter, or it does not fit the texts.
        """
        from textclf.training.data import Rows
        from textclf.training.fit import fit
        from textclf.training.keras_trainer import use_keras_backend

        texts, classes, numbers = _texts(X), *_labels(y)
        if len(texts) != len(numbers):
            raise DataError(
                "Found texts and labels with inconsistent numbers of samples.",
                received=f"{len(texts)} texts and {len(numbers)} labels",
                expected="a label for each text",
            )
        rows = Rows(_column(texts), numbers)
        candidate = self._candidate(rows, len(classes))
        if self.keras_backend is not None and candidate.architecture.name != "logistic_regression":
            use_keras_backend(self.keras_backend)
        fitted = fit(candidate, rows)
        self.classes_, self.history_ = classes, fitted.history
        self.artifact_ = _pack(candidate, fitted, rows, classes)
        self._scorer = _make_scorer(self.artifact_)
        return self

    def _candidate(self, rows: "Rows", labels: int) -> "Candidate":
        """What is to be fitted: architecture, encoder of the rows' vocabulary and settings, all checked."""
        from pydantic import ValidationError

        from textclf.models import architecture
        from textclf.training.fit import Candidate
        from textclf.training.settings import FitSettings, check_patience, first_mistake
        from textclf.training.train import encoder_of
        from textclf.training.usable_texts import check_words

        made = architecture(self.architecture)
        drawn = self.random_state
        seed = drawn if isinstance(drawn, int | np.integer) else check_random_state(drawn).randint(1 << 31)
        try:
            settings = FitSettings(
                epochs=self.epochs, batch_size=self.batch_size, seed=int(seed), learning_rate=self.learning_rate,
                schedule=self.schedule, validation_size=self.validation_size, patience=self.patience,
                class_weights=self.class_weight or "equal",
            )  # fmt: skip
        except ValidationError as error:
            name, received, expected = first_mistake(error)
            raise DataError(
                "A setting of the classifier is out of range.", received=f"{name}={received!r}", expected=expected
            ) from error
        check_patience(settings)
        check_words(rows.texts, made.tokenizer, f"Classifier({self.architecture!r})", DataError)
        encoder = encoder_of(made, rows, self.num_words, self.max_length, lambda: _vocabulary(rows))
        candidate = Candidate(made, made.parse(self.hyperparameters or {}), encoder, labels, settings)
        made.check(candidate.hyperparameters, candidate.shape)
        return candidate

    def predict_proba(self, X: Iterable[str]) -> Float64:  # noqa: N803
        """Compute the probability of each label, by the scorer that the jobs use.

        Args:
            X: Texts, shape (n,).

        Returns:
            Probabilities, shape (n, labels), with columns in the order of ``classes_``.

        Raises:
            NotFittedError: Neither ``fit`` nor ``load`` was called.
            DataError: A text is not a string.
            ArtifactError: The model's weights overflow for a text.
        """
        check_is_fitted(self, "artifact_")
        scores: Float64 = self._scorer.score(_column(_texts(X)))[0].astype(np.float64)
        check_scores(scores, self.artifact_)
        return scores

    def predict(self, X: Iterable[str]) -> npt.NDArray[Any]:  # noqa: N803
        """Predict the likeliest label of each text.

        Args:
            X: Texts, shape (n,).

        Returns:
            Labels, shape (n,), of the type that ``fit`` was given.

        Raises:
            NotFittedError: Neither ``fit`` nor ``load`` was called.
            DataError: A text is not a string.
            ArtifactError: The model's weights overflow for a text.
        """
        chosen = self.predict_proba(X).argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[chosen]
        return labels

    def save(self, folder: str | Path, *, promote: bool = True) -> str:
        """Save as the next version of the model ``folder``, as jobs and command line have models.

        Args:
            folder: The model's folder or URL, whose last part is its name: ``models/yelp``.
            promote: Make it the champion, the version that ``load`` and the jobs use.

        Returns:
            The reference ``NAME@VERSION`` of what was saved.

        Raises:
            NotFittedError: Neither ``fit`` nor ``load`` was called.
            InputError: The last part of ``folder`` is not a model's name, or the folder cannot be written.
        """
        check_is_fitted(self, "artifact_")
        root, name = _place(folder)
        named = self.artifact_.manifest.model_copy(update={"name": name, "version": "0"})
        store = ModelStore(root)
        self.artifact_ = store.save(Artifact(named.to_bytes(), self.artifact_.files))
        if promote:
            store.promote(name, self.artifact_.manifest.version)
        return self.artifact_.reference

    @classmethod
    def load(cls, folder: str | Path, version: str | None = None) -> "Self":
        """Load a model that ``save`` or a job has saved.

        Args:
            folder: The model's folder or URL, whose last part is its name: ``models/yelp``.
            version: Number of the version, as text; None for the champion.

        Returns:
            A fitted classifier.

        Raises:
            InputError: There is no such model or version.
            ArtifactError: The model is damaged, or scores here otherwise than where it was trained.
        """
        root, name = _place(folder)
        artifact = ModelStore(root).load(name, version)
        manifest = artifact.manifest
        classes = _classes(artifact)
        given = {key: value for key, value in manifest.training.items() if key in _SAVED}
        made = cls(
            manifest.architecture, hyperparameters=manifest.hyperparameters, num_words=manifest.num_words,
            max_length=manifest.max_length, random_state=manifest.training.get("seed"),
            class_weight="balanced" if manifest.training.get("class_weights") == "balanced" else None, **given,
        )  # fmt: skip
        made.classes_ = classes
        made.history_ = {}
        made.artifact_ = artifact
        made._scorer = _make_scorer(artifact)
        return made

    def __getstate__(self) -> dict[str, Any]:
        # The scorer is made of the artifact again: it holds modules, and tables larger than the model.
        return {key: value for key, value in super().__getstate__().items() if key != "_scorer"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "artifact_" in state:
            self._scorer = _make_scorer(self.artifact_)

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn should know: the input is a list of texts."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, True, False
        return tags


def _texts(given: Any) -> list[str]:
    """The texts as a list, each looked at."""
    shape = getattr(given, "shape", (0,))
    if isinstance(given, str) or len(shape) != 1:
        raise DataError(
            "The texts are no list.",
            received=f"one text: {given[:60]!r}" if isinstance(given, str) else f"an array of shape {shape}",
            expected="a list, array or column of texts, shape (n,)",
            fix="put a single text into a list; take one column of a table, as frame['text']",
        )
    try:
        texts = given.to_pylist() if hasattr(given, "to_pylist") else list(given)
    except TypeError as error:
        raise DataError("The texts are no list.", received=repr(given)[:60], expected="texts, shape (n,)") from error
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(
                f"Row {row} is no text.", received=repr(text)[:60], expected="a string",
                fix="leave out rows without a text, or put empty texts in their place; decode bytes first",
            )  # fmt: skip
    return texts


def _column(texts: list[str]) -> "pa.StringArray":
    """The texts as Arrow has them."""
    try:
        return string_array(texts)
    except UnicodeEncodeError as error:
        raise DataError(
            f"Row {texts.index(error.object)} is no text.",
            received=f"half a surrogate pair in {ascii(error.object)[:60]}",
            expected="a string that UTF-8 can hold",
            fix="decode the bytes that it came from in their own encoding",
        ) from error


def _labels(given: Any) -> tuple[npt.NDArray[Any], Int32]:
    """The different labels, sorted, shape (labels,), and the number of each row's, shape (n,)."""
    from textclf.training.labels import find_classes

    classes, numbers = find_classes(given)
    if len(classes) < 2:
        raise DataError(
            "There are too few labels to learn from: Classifier can't train when only one class is present.",
            received=f"{len(numbers)} rows of the label {', '.join(map(str, classes)) or 'none'}",
            expected="rows of at least two labels",
        )
    return classes, numbers


def _vocabulary(rows: "Rows") -> "Vocabulary":
    """The rows' tokens by falling frequency, ties by first occurrence, as ``build_vocabulary`` has them."""
    from textclf.text.tokenizer import tokenize_array
    from textclf.text.vocabulary import Vocabulary

    # Counter keeps the order of first occurrence, and sorting keeps it among equals.
    counts = Counter(tokenize_array(rows.texts).flatten().to_pylist())
    return Vocabulary(tuple(token for token, _ in counts.most_common()))


def _pack(candidate: "Candidate", fitted: Any, rows: "Rows", classes: npt.NDArray[Any]) -> Artifact:
    from textclf.training.labels import type_name
    from textclf.training.train import GOLDEN_EDGES, GOLDEN_ROWS, Origin, pack_model

    texts = [*GOLDEN_EDGES, *rows.texts.slice(0, GOLDEN_ROWS).to_pylist()]
    origin = Origin(_NAME, [str(label) for label in classes.tolist()], len(rows), 0, {}, "", texts)
    artifact = pack_model(origin, candidate, fitted, None)
    manifest = artifact.manifest
    training = manifest.training | {"label_type": type_name(classes)}
    return Artifact(manifest.model_copy(update={"training": training}).to_bytes(), artifact.files)


def _classes(artifact: Artifact) -> npt.NDArray[Any]:
    """The labels of a model in the type that they were given in.

    Raises:
        ArtifactError: The manifest's labels are not of the type that it names.
    """
    from textclf.training.labels import restore_classes

    try:
        return restore_classes(artifact.manifest.labels, artifact.manifest.training.get("label_type", "str"))
    except (ValueError, OverflowError) as error:
        raise ArtifactError(
            f"Model {artifact.reference} has labels of another type than it says.",
            received=error,
            expected="label_type str, int, float, bool or a type of numpy, and labels of it, each once",
            fix="restore the folder, or train the model again",
        ) from error


def _make_scorer(artifact: Artifact) -> Any:
    """The scorer that ``--backend auto`` takes, checked by the golden texts."""
    from textclf.inference.backends import choose

    return choose(artifact, "auto").scorer(artifact)


def _place(folder: str | Path) -> tuple[str, str]:
    """The store's root and the model's name of a model's folder."""
    text = str(folder).rstrip("/")
    root, slash, name = text.rpartition("/")
    return (root if slash else ".") or "/", name
