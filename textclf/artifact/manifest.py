"""The manifest of a model: what it is, where it comes from, and the digest of each of its files."""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from textclf.errors import ArtifactError

FORMAT_VERSION: Literal[1] = 1
MANIFEST, WEIGHTS, VOCABULARY, GOLDEN = "manifest.json", "weights.safetensors", "vocabulary.txt", "golden.json"
FILES = (WEIGHTS, VOCABULARY, GOLDEN)
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
"""What a model may be called: safe as a folder's name and as a value of a partition."""
MAX_MANIFEST_BYTES = 16 << 20  # a manifest is some kilobytes; what is larger is something else
MEASURES = {
    "accuracy": ("accuracy",),
    "macro F1": ("macro", "f1"),
    "log loss": ("log_loss",),
    "ROC AUC": ("roc_auc",),
    "Brier score": ("brier",),
    "calibration error": ("calibration_error",),
}
"""Measures of the test rows by the name that people know, with their place in ``Manifest.metrics``."""
RESTORE = "restore the folder, or train the model again with this release"


class FileEntry(BaseModel):
    """Size and SHA-256 of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sha256: str
    size: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, data: bytes) -> "FileEntry":
        """The entry of a file that holds ``data``."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


class Manifest(BaseModel):
    """What a model is.

    Attributes:
        version: Number of the version in its store; ``0`` before it has been saved.
        labels: In the order of the model's probabilities.
        num_words: Tokens outside the ``num_words - 1`` first of the vocabulary are dropped.
        max_length: Tokens of a sequence; counts ignore it.
        metrics: Measured on the test rows; see ``textclf.training.evaluation.Evaluation``.
        training: How it was fitted: settings, seed, numbers of rows, split.
        corpus_digest: Of the source's corpus; see ``textclf.training.data.corpus_digest``.
        packages: Versions of the packages that trained it.
        files: Size and digest of every other file of the folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = FORMAT_VERSION
    name: Annotated[str, Field(pattern=f"^{NAME}$")]
    version: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,8})$")] = "0"
    architecture: str
    hyperparameters: dict[str, Any]
    labels: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2)]
    tokenizer: str
    num_words: Annotated[int, Field(ge=2, le=1 << 31)]
    max_length: Annotated[int, Field(ge=1, le=1_000_000)]
    metrics: dict[str, Any]
    training: dict[str, Any]
    corpus_digest: str
    packages: dict[str, str]
    files: dict[str, FileEntry] = Field(default_factory=dict)

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("each label must be there once")
        if any("\0" in label for label in value):  # no record has one, and no table of other tools holds one
            raise ValueError("a label must not hold U+0000")
        return value

    def measure(self, name: str) -> float | None:
        """A measure of ``MEASURES`` on the test rows, None where the model has none."""
        found: Any = self.metrics
        for key in MEASURES[name]:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, int | float) else None

    def to_bytes(self) -> bytes:
        """The bytes of ``manifest.json``."""
        return self.model_dump_json(indent=2).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """The manifest that ``manifest.json`` holds.

        Raises:
            ArtifactError: It is not JSON, of another format version, or has a wrong, missing or unknown entry.
        """
        try:
            manifest = cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ArtifactError(
                "The manifest of a model cannot be used.",
                received=f"{'.'.join(map(str, first['loc'])) or MANIFEST}: {str(first['input'])[:80]!r}",
                expected=f"{first['msg']} (format version {FORMAT_VERSION})",
                fix=RESTORE,
            ) from error
        if set(manifest.files) != set(FILES):
            raise ArtifactError(
                f"The manifest of model {manifest.name}@{manifest.version} lists other files than a model has.",
                received=", ".join(sorted(manifest.files)) or "none",
                expected=", ".join(sorted(FILES)),
                fix=RESTORE,
            )
        return manifest
