"""The manifest of a model: its settings, its origin, and the digest of each of its files."""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from textclf.errors import ArtifactError

FORMAT_VERSION: Literal[1] = 1
MANIFEST, WEIGHTS, VOCABULARY, GOLDEN = "manifest.json", "weights.safetensors", "vocabulary.txt", "golden.json"
FILES = (WEIGHTS, VOCABULARY, GOLDEN)
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
"""Pattern of a model's name: safe as the name of a folder and as the value of a partition."""
MAX_MANIFEST_BYTES = 16 << 20  # a manifest has some kilobytes; a larger file is not one
MEASURES = {
    "accuracy": ("accuracy",),
    "macro F1": ("macro", "f1"),
    "log loss": ("log_loss",),
    "ROC AUC": ("roc_auc",),
    "Brier score": ("brier",),
    "calibration error": ("calibration_error",),
}
"""Measures on the test rows by their usual name, with their path in ``Manifest.metrics``."""
RESTORE = "restore the folder, or train the model again with this release"


class FileEntry(BaseModel):
    """Size and SHA-256 of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sha256: str
    size: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, data: bytes) -> "FileEntry":
        """Make the entry of a file with the content ``data``."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


class Manifest(BaseModel):
    """Description of a model, stored as ``manifest.json``.

    Attributes:
        format_version: Version of the artifact format.
        name: Name of the model.
        version: Number of the version in its store; ``0`` before the model has been saved.
        architecture: Name of the architecture.
        hyperparameters: Hyperparameters of the architecture.
        labels: Labels in the order of the model's probabilities.
        tokenizer: Name of the tokenizer.
        num_words: Tokens beyond the first ``num_words - 1`` of the vocabulary are dropped.
        max_length: Number of tokens in a sequence; architectures on counts ignore it.
        metrics: Measures on the test rows; see ``textclf.training.evaluation.Evaluation``.
        training: How the model was fitted: settings, seed, numbers of rows, split.
        corpus_digest: Digest of the source's corpus; see ``textclf.training.data.corpus_digests``.
        packages: Versions of the packages that trained the model.
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
            raise ValueError("labels must be distinct")
        if any("\0" in label for label in value):  # records cannot have it, and tables of other tools cannot hold it
            raise ValueError("a label must not contain U+0000")
        return value

    def measure(self, name: str) -> float | None:
        """Return a measure of ``MEASURES`` on the test rows; None if the model does not have it."""
        found: Any = self.metrics
        for key in MEASURES[name]:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, int | float) else None

    def to_bytes(self) -> bytes:
        """Return the content of ``manifest.json``."""
        return self.model_dump_json(indent=2).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Parse the content of ``manifest.json``.

        Raises:
            ArtifactError: The data is not JSON, has another format version, or a wrong, missing or unknown entry.
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
                f"The manifest of model {manifest.name}@{manifest.version} does not list the files of a model.",
                received=", ".join(sorted(manifest.files)) or "none",
                expected=", ".join(sorted(FILES)),
                fix=RESTORE,
            )
        return manifest
