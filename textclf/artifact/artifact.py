"""A trained model in memory: a manifest and the bytes of its files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from textclf.errors import ArtifactError, UsageError
from textclf.models import Architecture, InputShape, architecture
from textclf.text.encoder import Encoder
from textclf.text.tokenizer import TOKENIZERS
from textclf.text.vocabulary import Vocabulary

FORMAT_VERSION = 1
MANIFEST, WEIGHTS, VOCABULARY, GOLDEN = "manifest.json", "weights.safetensors", "vocabulary.txt", "golden.json"
FILES = (WEIGHTS, VOCABULARY, GOLDEN)

Weights = dict[str, npt.NDArray[np.float32]]


class Manifest(BaseModel):
    """What a model is, where it comes from, and the digest of each of its files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = FORMAT_VERSION
    name: str
    version: str
    architecture: str
    hyperparameters: dict[str, Any]
    labels: Annotated[list[str], Field(min_length=2)]
    tokenizer: str
    num_words: Annotated[int, Field(ge=2)]
    max_length: Annotated[int, Field(ge=1)]
    metrics: dict[str, float]
    training: dict[str, Any]
    corpus_digest: str
    packages: dict[str, str]
    created_at: str
    files: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Golden:
    """Texts with the scores that training gave them, shape (texts, labels)."""

    texts: list[str]
    scores: list[list[float]]


@dataclass(frozen=True)
class Artifact:
    """A model as data: it can be pickled, sent to executors, and compared by digest."""

    manifest_bytes: bytes
    files: Mapping[str, bytes]

    @classmethod
    def pack(cls, manifest: Manifest, weights: Weights, vocabulary: Vocabulary, golden: Golden) -> "Artifact":
        """Put a trained model together; the manifest gets the digests of the files."""
        files = {
            WEIGHTS: save({name: np.ascontiguousarray(tensor) for name, tensor in weights.items()}),
            VOCABULARY: vocabulary.to_bytes(),
            GOLDEN: json.dumps({"texts": golden.texts, "scores": golden.scores}).encode(),
        }
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        complete = manifest.model_copy(update={"files": digests})
        return cls(complete.model_dump_json(indent=2).encode(), files).checked()

    @cached_property
    def manifest(self) -> Manifest:
        """The validated manifest.

        Raises:
            ArtifactError: It is not JSON, of another format version, or lacks something.
        """
        try:
            return Manifest.model_validate_json(self.manifest_bytes)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ArtifactError(
                "The manifest of a model cannot be used.",
                received=f"{'.'.join(map(str, first['loc'])) or MANIFEST}: {str(first['input'])[:80]!r}",
                expected=f"{first['msg']} (format version {FORMAT_VERSION})",
                fix="restore the folder, or train the model again with this release",
            ) from error

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, in hexadecimal: it covers every file, because it holds their digests."""
        return hashlib.sha256(self.manifest_bytes).hexdigest()

    @property
    def reference(self) -> str:
        """``name@version``."""
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def architecture(self) -> Architecture:
        """The package's architecture of the manifest's name; nothing else is ever built."""
        return architecture(self.manifest.architecture)

    @cached_property
    def hyperparameters(self) -> Any:
        """Validated hyperparameters of the architecture."""
        return self.architecture.parse(self.manifest.hyperparameters)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The model's vocabulary."""
        return Vocabulary.from_bytes(self.files[VOCABULARY])

    @property
    def encoder(self) -> Encoder:
        """Texts into what the model reads."""
        manifest = self.manifest
        return Encoder(manifest.tokenizer, self.vocabulary, manifest.num_words, manifest.max_length)

    @property
    def shape(self) -> InputShape:
        """Sizes of the model's input and output."""
        manifest = self.manifest
        size = self.vocabulary.size(manifest.num_words)
        return InputShape(size, manifest.max_length, len(manifest.labels))

    @cached_property
    def weights(self) -> Weights:
        """Tensors by name, in the order of the architecture's graph."""
        loaded = load(self.files[WEIGHTS])
        return {name: loaded[name] for name in self.architecture.tensors(self.hyperparameters, self.shape)}

    @cached_property
    def golden(self) -> Golden:
        """Texts with the scores that training gave."""
        return Golden(**json.loads(self.files[GOLDEN]))

    def checked(self) -> "Artifact":
        """This artifact, after every check.

        Raises:
            ArtifactError: A file is missing or altered, or something in it does not fit the architecture.
        """
        self._check_files()
        manifest = self.manifest
        if manifest.tokenizer not in TOKENIZERS:
            raise self._error("tokenizer", manifest.tokenizer, f"one of: {', '.join(TOKENIZERS)}")
        try:
            expected = self.architecture.tensors(self.hyperparameters, self.shape)
        except UsageError as error:
            raise self._error("architecture", error.problem, "an architecture of this release") from error
        try:
            found = {name: tensor.shape for name, tensor in load(self.files[WEIGHTS]).items()}
        except SafetensorError as error:
            raise self._error(WEIGHTS, error, "a safetensors file") from error
        if found != expected:
            raise self._error("tensors", dict(sorted(found.items())), dict(sorted(expected.items())))
        self._check_golden()
        return self

    def _check_files(self) -> None:
        if set(self.manifest.files) != set(FILES):
            raise self._error("list of files", ", ".join(self.manifest.files) or "none", ", ".join(FILES))
        for name, digest in self.manifest.files.items():
            found = hashlib.sha256(self.files[name]).hexdigest()
            if found != digest:
                raise self._error(f"digest of {name}", found, digest)

    def _check_golden(self) -> None:
        try:
            golden = self.golden
            fits = np.shape(golden.scores) == (len(golden.texts), len(self.manifest.labels))
        except (ValueError, TypeError) as error:
            raise self._error(GOLDEN, error, "texts and scores") from error
        if not fits:
            raise self._error(GOLDEN, f"scores of shape {np.shape(golden.scores)}", "a score a label for each text")

    def _error(self, what: str, received: object, expected: object) -> ArtifactError:
        return ArtifactError(
            f"Model {self.reference} has an unusable {what}.",
            received=received,
            expected=expected,
            fix="restore the folder, or train the model again",
        )
