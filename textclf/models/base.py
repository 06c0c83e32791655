"""Base classes of architectures: hyperparameters, tensor shapes and, where Keras trains it, the graph."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from textclf.common.arrays import Float32
from textclf.errors import UsageError
from textclf.models.compilation import Compilation


class Hyperparameters(BaseModel):
    """Hyperparameters of an architecture: typed, ranged, each with a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class InputShape:
    """Sizes that come from the data.

    Attributes:
        vocabulary: Number of token indices, including the padding's.
        max_length: Length of a padded sequence.
        labels: Number of labels, 2 or more.
    """

    vocabulary: int
    max_length: int
    labels: int

    @property
    def outputs(self) -> int:
        """Units of the output layer: one sigmoid for two labels, a softmax for more."""
        return 1 if self.labels == 2 else self.labels

    @property
    def activation(self) -> str:
        """Activation of the output layer."""
        return "sigmoid" if self.labels == 2 else "softmax"


@dataclass(frozen=True)
class Windows:
    """A network of an embedding, one convolution with ReLU, its maximum over the text, and dense layers.

    Attributes:
        vocabulary, dim: Shape of the embedding.
        width, filters: Width of the convolution and number of its filters.
        dense: Units and activation of each layer after the maximum, the output last.
    """

    vocabulary: int
    dim: int
    width: int
    filters: int
    dense: tuple[tuple[int, str], ...]


class Architecture(ABC):
    """An architecture of the package; one instance each in the registry.

    Attributes:
        features: ``sequences`` of token indices (n, max_length), or ``counts`` of tokens (n, tokens).
        tokenizer: A name of ``textclf.text.tokenizer.TOKENIZERS``.
        dtype: Number type of the tensors, as numpy names it.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    features: ClassVar[Literal["sequences", "counts"]]
    tokenizer: ClassVar[str] = "keras"
    hyperparameters: ClassVar[type[Hyperparameters]]
    dtype: ClassVar[str] = "float32"

    @abstractmethod
    def tensors(self, hyperparameters: Any, shape: InputShape) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the trained tensors, in the order of the graph."""

    def parameter_count(self, hyperparameters: Hyperparameters, shape: InputShape) -> int:
        """Number of trained and frozen parameters."""
        return sum(prod(dimensions) for dimensions in self.tensors(hyperparameters, shape).values())

    def check(self, hyperparameters: Any, shape: InputShape) -> None:  # noqa: B027 - most have nothing to check
        """Refuse hyperparameters that do not fit the data.

        Raises:
            UsageError: They do not fit, for example a window wider than the text.
        """

    def padding(self, hyperparameters: Any) -> int | None:
        """Number of padding positions that must remain at the end of a sequence so that scores do not change.

        Training may crop sequences to the longest text and that many positions; None forbids cropping.
        """
        return None

    def compilation(self, hyperparameters: Any) -> Compilation | None:
        """What the compiled scorer makes tables of; None for a model that is neither maxima nor one sum."""
        return None

    def parse(self, given: Mapping[str, Any]) -> Any:
        """Validated hyperparameters; text values, as a command line gives them, are converted.

        Raises:
            UsageError: An unknown name or a value outside its range; the message says what is allowed.
        """
        try:
            return self.hyperparameters.model_validate(dict(given))
        except ValidationError as error:
            mistakes = [self._describe(mistake) for mistake in error.errors(include_url=False)]
            raise UsageError(
                f"Architecture {self.name} refuses its hyperparameters.",
                received="; ".join(mistakes),
                expected="; ".join(self.describe()),
            ) from error

    def describe(self) -> list[str]:
        """One line a hyperparameter: name, type, form or range, default."""
        found = self.hyperparameters.model_json_schema()["properties"].items()
        return [f"{name}: {_allowed(spec)}, default {spec.get('default')}" for name, spec in found]

    def _describe(self, mistake: Any) -> str:
        if not mistake["loc"]:  # a rule about several hyperparameters
            return str(mistake["ctx"]["error"])
        name = str(mistake["loc"][0])
        if mistake["type"] != "extra_forbidden":
            return f"{name}={mistake['input']!r}"
        near = difflib.get_close_matches(name, self.hyperparameters.model_fields, n=1)
        return f"unknown {name}" + (f" (did you mean {near[0]}?)" if near else "")


def _allowed(spec: Mapping[str, Any]) -> str:
    """Type, form and range of a hyperparameter by its JSON schema."""
    if "anyOf" in spec:  # neither a command line nor a pipeline file can say null; a default can
        kind = " or ".join(_allowed(each) for each in spec["anyOf"] if each.get("type") != "null")
    elif "enum" in spec:
        kind = " or ".join(map(str, spec["enum"]))
    else:
        kind = {"number": "finite number"}.get(spec["type"], spec["type"])
    form = spec.get("description") or spec.get("pattern")
    limits = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
    ranges = [f"{sign} {spec[key]}" for key, sign in limits.items() if key in spec]
    return ", ".join([f"{kind} ({form})" if form else kind, *ranges])


class KerasArchitecture(Architecture):
    """An architecture that Keras trains and scores."""

    @abstractmethod
    def build(self, hyperparameters: Any, shape: InputShape) -> Any:
        """An untrained ``keras.Model``; its weights are those of ``tensors``, in that order."""

    def windows(self, hyperparameters: Any, shape: InputShape) -> Windows | None:
        """The graph as ``Windows``, for the faster fit on JAX; None where it is another graph or partly frozen."""
        return None


def check_window(name: str, width: int, shape: InputShape) -> None:
    """Refuse a window wider than the texts that it slides over.

    Raises:
        UsageError: ``width`` exceeds the length of a sequence.
    """
    if width > shape.max_length:
        raise UsageError(
            f"A window of {name} tokens does not fit into a text of max_length tokens.",
            received=f"{name}={width}, max_length={shape.max_length}",
            expected=f"{name} of at most {shape.max_length}",
            fix=f"choose a smaller {name}, or a larger max_length under [text] in the pipeline file",
        )


def label_probabilities(outputs: npt.NDArray[Any]) -> Float32:
    """One column a label, shape (n, labels), from one sigmoid (n, 1) or a softmax (n, labels)."""
    if outputs.shape[1] == 1:
        outputs = np.hstack([1 - outputs, outputs])
    return outputs.astype(np.float32)
