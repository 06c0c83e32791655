"""A text classifier with scikit-learn's interface, based on the models, artifacts and scorers of the jobs."""

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
    from textclf.training.fit import ModelSpec

_NAME = "classifier"  # name of a model before it is saved
_SAVED = ("epochs", "batch_size", "learning_rate", "schedule", "validation_size", "patience")  # keys in manifests


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no type hints
    """Text classifier for scikit-learn's pipelines, cross-validation and searches.

    The settings from ``epochs`` to ``class_weight`` apply to networks; logistic regression ignores them.

    Args:
        architecture: A name of ``textclf.models.ARCHITECTURES``, such as ``cnn`` or ``logistic_regression``.
        hyperparameters: Hyperparameters that differ from the architecture's defaults, such as ``{"num_filters": 64}``.
        num_words: Size of the vocabulary: networks see the ``num_words - 1`` most frequent words.
        max_length: Maximum length of a text in tokens; longer texts lose their beginning.
        epochs: Number of passes over the training rows.
        batch_size: Number of rows in a step. With several sizes, each is used for an equal part of the epochs.
        learning_rate: Adam's learning rate at the start.
        schedule: Schedule of the learning rate: ``constant``, ``cosine`` or ``plateau``.
        validation_size: Share of the rows, from 0 to 0.5, that is held out to monitor the fit.
        patience: Number of epochs without a better validation loss after which the fit ends; needs
            ``validation_size``. None for no early stopping.
        class_weight: ``balanced`` weights each row by the rarity of its label; None weights all rows equally.
        random_state: Seed of initial weights and all other draws; the same seed gives the same model.
        keras_backend: ``tensorflow`` or ``jax``; None takes that of the process or of ``KERAS_BACKEND``.

    Attributes:
        classes_: The labels, sorted, shape (labels,), in the order of the columns of ``predict_proba``.
        artifact_: The model as data, in the form that the jobs use.
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
        """Fit the classifier to texts and their labels.

        Args:
            X: Texts, shape (n,): strings, which may be empty. None, NaN, ``pd.NA`` and bytes raise an error, here as
                in ``predict``.
            y: Labels, shape (n,), of one type: strings, whole numbers of up to 64 bits, whole floats or booleans.
                Missing labels, days, bytes, fractions and labels of several types raise an error, because they could
                not be restored exactly from a model's folder.

        Returns:
            The classifier itself.

        Raises:
            DataError: A text or label has another type, there are fewer than two labels, or no text has a word.
            UsageError: The architecture or a hyperparameter does not exist, or does not fit the texts.
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
        spec = self._spec(rows, len(classes))
        if self.keras_backend is not None and spec.architecture.name != "logistic_regression":
            use_keras_backend(self.keras_backend)
        fitted = fit(spec, rows)
        self.classes_, self.history_ = classes, fitted.history
        self.artifact_ = _pack(spec, fitted, rows, classes)
        self._scorer = _make_scorer(self.artifact_)
        return self

    def _spec(self, rows: "Rows", labels: int) -> "ModelSpec":
        """Specify the model to fit: architecture, encoder of the rows' vocabulary and settings, all checked."""
        from pydantic import ValidationError

        from textclf.models import architecture
        from textclf.training.fit import ModelSpec
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
        spec = ModelSpec(made, made.parse(self.hyperparameters or {}), encoder, labels, settings)
        made.check(spec.hyperparameters, spec.shape)
        return spec

    def predict_proba(self, X: Iterable[str]) -> Float64:  # noqa: N803
        """Compute the probability of each label, with the scorer that the jobs use.

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
        """Predict the most likely label of each text.

        Args:
            X: Texts, shape (n,).

        Returns:
            Labels, shape (n,), of the type that was passed to ``fit``.

        Raises:
            NotFittedError: Neither ``fit`` nor ``load`` was called.
            DataError: A text is not a string.
            ArtifactError: The model's weights overflow for a text.
        """
        chosen = self.predict_proba(X).argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[chosen]
        return labels

    def save(self, folder: str | Path, *, promote: bool = True) -> str:
        """Save the model as the next version in ``folder``, in the format of the jobs and the command line.

        Args:
            folder: The model's folder or URL, whose last part is the model's name, such as ``models/yelp``.
            promote: Make the version the champion, which ``load`` and the jobs use.

        Returns:
            The reference ``NAME@VERSION`` of the saved model.

        Raises:
            NotFittedError: Neither ``fit`` nor ``load`` was called.
            InputError: The last part of ``folder`` is not a valid model name, or the folder cannot be written.
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
            folder: The model's folder or URL, whose last part is the model's name, such as ``models/yelp``.
            version: Number of the version, as text; None for the champion.

        Returns:
            A fitted classifier.

        Raises:
            InputError: There is no such model or version.
            ArtifactError: The model is damaged, or does not reproduce the scores recorded at training.
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
        # The scorer holds modules and tables larger than the model; it is made again from the artifact.
        return {key: value for key, value in super().__getstate__().items() if key != "_scorer"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "artifact_" in state:
            self._scorer = _make_scorer(self.artifact_)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is a list of texts."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, True, False
        return tags


def _texts(given: Any) -> list[str]:
    """Return the texts as a list, after checking that each is a string."""
    shape = getattr(given, "shape", (0,))
    if isinstance(given, str) or len(shape) != 1:
        raise DataError(
            "The texts are not a list.",
            received=f"one text: {given[:60]!r}" if isinstance(given, str) else f"an array of shape {shape}",
            expected="a list, array or column of texts, shape (n,)",
            fix="put a single text into a list; select one column of a table, such as frame['text']",
        )
    try:
        texts = given.to_pylist() if hasattr(given, "to_pylist") else list(given)
    except TypeError as error:
        raise DataError("The texts are not a list.", received=repr(given)[:60], expected="texts, shape (n,)") from error
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(
                f"Row {row} is not a string.", received=repr(text)[:60], expected="a string",
                fix="drop rows without a text or replace them by empty strings; decode bytes first",
            )  # fmt: skip
    return texts


def _column(texts: list[str]) -> "pa.StringArray":
    """Return the texts as an Arrow array."""
    try:
        return string_array(texts)
    except UnicodeEncodeError as error:
        raise DataError(
            f"Row {texts.index(error.object)} is not valid Unicode.",
            received=f"half a surrogate pair in {ascii(error.object)[:60]}",
            expected="a string that UTF-8 can encode",
            fix="decode the original bytes with their own encoding",
        ) from error


def _labels(given: Any) -> tuple[npt.NDArray[Any], Int32]:
    """Return the distinct labels, sorted, shape (labels,), and the number of each row's label, shape (n,)."""
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
    """Return the rows' tokens by falling frequency, ties by first occurrence, as ``build_vocabulary`` does."""
    from textclf.text.tokenizer import tokenize_array
    from textclf.text.vocabulary import Vocabulary

    # Counter keeps the order of first occurrence, and sorting keeps it among equals.
    counts = Counter(tokenize_array(rows.texts).flatten().to_pylist())
    return Vocabulary(tuple(token for token, _ in counts.most_common()))


def _pack(spec: "ModelSpec", fitted: Any, rows: "Rows", classes: npt.NDArray[Any]) -> Artifact:
    from textclf.training.labels import type_name
    from textclf.training.train import GOLDEN_EDGES, GOLDEN_ROWS, Origin, pack_model

    texts = [*GOLDEN_EDGES, *rows.texts.slice(0, GOLDEN_ROWS).to_pylist()]
    origin = Origin(_NAME, [str(label) for label in classes.tolist()], len(rows), 0, {}, "", texts)
    artifact = pack_model(origin, spec, fitted, None)
    manifest = artifact.manifest
    training = manifest.training | {"label_type": type_name(classes)}
    return Artifact(manifest.model_copy(update={"training": training}).to_bytes(), artifact.files)


def _classes(artifact: Artifact) -> npt.NDArray[Any]:
    """Restore the labels of a model in their original type.

    Raises:
        ArtifactError: The manifest's labels do not fit the type that it names.
    """
    from textclf.training.labels import restore_classes

    try:
        return restore_classes(artifact.manifest.labels, artifact.manifest.training.get("label_type", "str"))
    except (ValueError, OverflowError) as error:
        raise ArtifactError(
            f"Model {artifact.reference} has labels that do not fit its label_type.",
            received=error,
            expected="label_type str, int, float, bool or a type of numpy, and distinct labels of that type",
            fix="restore the folder, or train the model again",
        ) from error


def _make_scorer(artifact: Artifact) -> Any:
    """Make the scorer that ``--backend auto`` chooses, checked with the golden texts."""
    from textclf.inference.backends import choose

    return choose(artifact, "auto").scorer(artifact)


def _place(folder: str | Path) -> tuple[str, str]:
    """Split a model's folder into the root of its store and the model's name."""
    text = str(folder).rstrip("/")
    root, slash, name = text.rpartition("/")
    return (root if slash else ".") or "/", name
