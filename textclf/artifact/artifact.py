"""A trained model in memory: a manifest and the bytes of its files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from textclf.artifact.manifest import FILES, GOLDEN, RESTORE, VOCABULARY, WEIGHTS, FileEntry, Manifest
from textclf.errors import ArtifactError, InputError, UsageError
from textclf.models import Architecture, InputShape, architecture
from textclf.text.encoder import Encoder
from textclf.text.tokenizer import TOKENIZERS
from textclf.text.vocabulary import Vocabulary

_ROUNDED = 1e-3  # in single precision sums are within 1e-5 of 1; a sum farther off was never normalised
Weights = dict[str, npt.NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Golden:
    """Golden texts, with the probabilities given by the library that trained the model, shape (texts, labels)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    texts: list[str]
    scores: list[list[float]]

    @classmethod
    def from_bytes(cls, data: bytes) -> "Golden":
        """Parse the contents of ``golden.json``.

        Raises:
            ValueError: The data is not JSON of that form, is nested too deep, or has scores that are not finite.
        """
        try:
            return TypeAdapter(cls).validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'the whole file'}: {first['msg']}") from error


@dataclass(frozen=True)
class Artifact:
    """A model as data, which can be pickled, sent to executors and compared by digest.

    After making one from bytes of unknown origin, call ``checked`` before anything else.

    Attributes:
        manifest_bytes: Content of ``manifest.json``.
        files: Content of the other files, by name.
    """

    manifest_bytes: bytes
    files: Mapping[str, bytes]

    @classmethod
    def pack(cls, manifest: Manifest, weights: Weights, vocabulary: Vocabulary, golden: Golden) -> "Artifact":
        """Make the artifact of a trained model; adds the digests of the files to the manifest.

        Args:
            manifest: The manifest, without files.
            weights: Tensors by name.
            vocabulary: The words that the model knows.
            golden: Texts with the scores of the trained model.

        Raises:
            ArtifactError: The parts do not fit together.
        """
        files = {
            WEIGHTS: save({name: np.ascontiguousarray(tensor) for name, tensor in weights.items()}),
            VOCABULARY: vocabulary.to_bytes(),
            GOLDEN: json.dumps({"texts": golden.texts, "scores": golden.scores}).encode(),
        }
        entries = {name: FileEntry.of(data) for name, data in files.items()}
        return cls(manifest.model_copy(update={"files": entries}).to_bytes(), files).checked()

    def with_version(self, version: str) -> "Artifact":
        """Return the same model under another version."""
        return Artifact(self.manifest.model_copy(update={"version": version}).to_bytes(), self.files)

    @cached_property
    def manifest(self) -> Manifest:
        """The validated manifest.

        Raises:
            ArtifactError: The manifest cannot be used.
        """
        return Manifest.from_bytes(self.manifest_bytes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the manifest, in hexadecimal. It covers every file, because the manifest holds their digests."""
        return hashlib.sha256(self.manifest_bytes).hexdigest()

    @property
    def reference(self) -> str:
        """``name@version``."""
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def architecture(self) -> Architecture:
        """The package's architecture with the name in the manifest; no other code is ever run."""
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
        """Encoder from texts to the model's input."""
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
        """Golden texts with the scores recorded at training.

        Raises:
            ArtifactError: The file ``golden.json`` cannot be used.
        """
        try:
            return Golden.from_bytes(self.files[GOLDEN])
        except ValueError as error:
            raise self._error(GOLDEN, error, "texts, and for each text a finite score of each label") from error

    def checked(self) -> "Artifact":
        """Run every check and return this artifact.

        Raises:
            ArtifactError: A file is missing or altered, or does not fit the architecture.
        """
        self._check_files()
        if self.manifest.tokenizer not in TOKENIZERS:
            raise self._error("tokenizer", self.manifest.tokenizer, f"one of: {', '.join(TOKENIZERS)}")
        self._check_weights()
        self._check_golden()
        return self

    def _check_files(self) -> None:
        for name in FILES:
            found = FileEntry.of(self.files[name])
            if found != self.manifest.files[name]:
                raise self._error(f"file {name}", found, self.manifest.files[name])

    def _check_weights(self) -> None:
        try:
            expected = self.architecture.tensors(self.hyperparameters, self.shape)
            self.architecture.check(self.hyperparameters, self.shape)
        except UsageError as error:
            raise self._error("architecture", error, "an architecture of this release") from error
        except InputError as error:
            raise self._error(VOCABULARY, error, "the tokens that training saw") from error
        try:
            tensors = load(self.files[WEIGHTS])
        except (SafetensorError, KeyError, ValueError) as error:
            raise self._error(WEIGHTS, error, "a safetensors file") from error
        dtype = self.architecture.dtype
        found = {name: f"{tensor.dtype}{list(tensor.shape)}" for name, tensor in sorted(tensors.items())}
        wanted = {name: f"{dtype}{list(shape)}" for name, shape in sorted(expected.items())}
        if found != wanted:
            raise self._error("set of tensors", found, wanted)
        broken = [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
        if broken:
            raise self._error(WEIGHTS, f"values that are not finite in {', '.join(broken)}", "finite numbers")

    def _check_golden(self) -> None:
        golden, labels = self.golden, len(self.manifest.labels)
        widths = {len(scores) for scores in golden.scores} - {labels}
        if widths or len(golden.scores) != len(golden.texts):
            shape = f"{len(golden.scores)} x {sorted(widths) or labels} scores for {len(golden.texts)} texts"
            raise self._error(GOLDEN, shape, "one score per label for each text")
        for scores in golden.scores:
            if not (min(scores) >= 0 and abs(sum(scores) - 1) < _ROUNDED):
                raise self._error(GOLDEN, f"scores {scores}", "probabilities: at least 0, with a sum of 1")

    def _error(self, what: str, received: object, expected: object) -> ArtifactError:
        return ArtifactError(
            f"Model {self.reference} has an unusable {what}.", received=received, expected=expected, fix=RESTORE
        )
