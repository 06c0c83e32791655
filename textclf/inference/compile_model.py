"""Artifacts to folded models: the layers before the first nonlinearity become tables over the vocabulary.

A convolution over embedded words is a sum of ``width`` rows of a table (vocabulary, width, filters): row (w, k) is the
embedding of w times the kernel's k-th slice. Bias and ReLU keep the order of numbers, so they come after the maximum.
Layers that only sum or average words fold with the dense layer after them in the same way.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.artifact import Artifact
from textclf.common.arrays import Float32
from textclf.errors import UsageError
from textclf.inference.compiled_model import About, Folded, Pool, aligned
from textclf.text.token_index import TokenIndex

MAX_TABLE_BYTES = 1 << 30
_STEP = 4096  # words folded at a time: bounds the memory of products in double precision

Tensors = dict[str, npt.NDArray[Any]]
Parts = tuple[Tensors, dict[str, Any]]


def fold(artifact: Artifact, *, max_table_bytes: int = MAX_TABLE_BYTES, half: bool = False) -> Folded:
    """Fold a model.

    Args:
        max_table_bytes: Limit of the tables over the vocabulary.
        half: Keep the tables of convolutions as float16: half the memory, and an error to be measured.

    Raises:
        UsageError: The architecture does not fold, or its table would exceed the limit.
    """
    check_folds(artifact)
    check_size(artifact, max_table_bytes, half=half)
    tensors, more = _FOLDS[artifact.manifest.architecture](artifact)
    if half:
        tensors |= {
            name: _half(artifact, tensors[name]) for name in tensors if name.startswith("pool_") and "table" in name
        }
    manifest, weights = artifact.manifest, artifact.weights
    layers = ["hidden", "output"] if more.get("hidden", True) else ["output"]
    for layer in layers:
        tensors[f"{layer}.bias"] = weights[f"{layer}.bias"].astype(np.float64)
    for layer in layers if "pools" in more else layers[1:]:  # the sum holds the first layer's kernel already
        tensors[f"{layer}.kernel"] = weights[f"{layer}.kernel"].astype(np.float64)
    index = TokenIndex.of(manifest.tokenizer, artifact.vocabulary.tokens[: artifact.shape.vocabulary - 1])
    tensors |= {f"index.{name}": array for name, array in index.arrays.items()}
    given: Any = {"max_length": manifest.max_length} | more
    about = About(
        manifest.name,
        manifest.version,
        artifact.digest,
        manifest.labels,
        manifest.tokenizer,
        half=half,
        golden_texts=artifact.golden.texts,
        golden_scores=artifact.golden.scores,
        **given,
    )
    return Folded(about, {name: aligned(tensor) for name, tensor in tensors.items()})


def check_folds(artifact: Artifact) -> None:
    """Refuse an architecture that is no table.

    Raises:
        UsageError: Its words interact before they are pooled.
    """
    name = artifact.manifest.architecture
    if name not in _FOLDS:
        raise UsageError(
            f"Model {artifact.reference} cannot be compiled: {name} does not fold into a table over the vocabulary.",
            received=name,
            expected=f"one of: {', '.join(_FOLDS)}",
            fix="score it with --backend keras, or with auto, which takes Keras for such models",
        )


def check_size(artifact: Artifact, max_table_bytes: int, *, half: bool = False) -> None:
    """Refuse a table that is larger than the limit.

    Raises:
        UsageError: It is; the message names the vocabulary that would fit.
    """
    words, a_word = artifact.shape.vocabulary, word_bytes(artifact, half=half)
    fitting = f"num_words = {max_table_bytes // a_word:,}"
    if words * a_word > max_table_bytes:
        raise UsageError(
            f"The table of model {artifact.reference} would not fit.",
            received=f"{words * a_word / 2**20:,.0f} MiB: {words:,} words of {a_word:,} bytes",
            expected=f"at most {max_table_bytes / 2**20:,.0f} MiB, which {fitting} would be",
            fix="train with a smaller num_words, raise max_table_mb under [score], set half = true there, "
            "or score with --backend keras",
        )


def word_bytes(artifact: Artifact, *, half: bool = False) -> int:
    """Bytes of the tables for each word of the vocabulary."""
    shapes: dict[str, tuple[int, ...]] = {name: tensor.shape for name, tensor in artifact.weights.items()}
    size = 2 if half else 4
    match artifact.manifest.architecture:
        case "cnn" | "kim_cnn":
            kernels = [shape for name, shape in shapes.items() if name.startswith("convolution") and len(shape) == 3]
            return sum(width * filters for width, _, filters in kernels) * size
        case "embedding_max_pooling":
            return shapes["embedding.embeddings"][1] * size
        case "embedding_flatten":
            return artifact.manifest.max_length * shapes["hidden.kernel"][1] * 4
        case "logistic_regression":
            return shapes["output.kernel"][1] * 8
        case _:
            return shapes["hidden.kernel"][1] * 4


def _product(words: npt.NDArray[Any], kernel: npt.NDArray[Any]) -> Float32:
    """Words (vocabulary, dim) times (dim, columns), summed in double precision, as float32."""
    wide, made = kernel.astype(np.float64), np.empty((len(words), kernel.shape[1]), np.float32)
    for start in range(0, len(words), _STEP):
        made[start : start + _STEP] = words[start : start + _STEP].astype(np.float64) @ wide
    return made


def _pool(words: npt.NDArray[Any], kernel: npt.NDArray[Any]) -> Float32:
    """The table of a convolution's kernel (width, dim, filters): shape (vocabulary * width, filters)."""
    width, dim, filters = kernel.shape
    side_by_side = kernel.transpose(1, 0, 2).reshape(dim, width * filters)
    return _product(words, side_by_side).reshape(len(words) * width, filters)


def _cnn(artifact: Artifact) -> Parts:
    weights = artifact.weights
    kernel = weights["convolution.kernel"]
    tensors = {
        "pool_0.table": _pool(weights["embedding.embeddings"], kernel),
        "pool_0.bias": weights["convolution.bias"],
    }
    return tensors, {"pools": [Pool(kernel.shape[0], relu=True)]}


def _kim_cnn(artifact: Artifact) -> Parts:
    weights, widths = artifact.weights, artifact.hyperparameters.widths
    channels = [weights[name] for name in ("embedding.embeddings", "static_embedding.embeddings") if name in weights]
    words = np.hstack(channels)  # two channels are one of twice the width
    tensors: Tensors = {}
    for number in range(len(widths)):
        tensors[f"pool_{number}.table"] = _pool(words, weights[f"convolution_{number}.kernel"])
        tensors[f"pool_{number}.bias"] = weights[f"convolution_{number}.bias"]
    return tensors, {"pools": [Pool(width, relu=True) for width in widths], "hidden": False}


def _max_pooling(artifact: Artifact) -> Parts:
    words = artifact.weights["embedding.embeddings"]
    tensors = {"pool_0.table": words, "pool_0.bias": np.zeros(words.shape[1], np.float32)}
    return tensors, {"pools": [Pool(1, relu=False)]}


def _average_pooling(artifact: Artifact) -> Parts:
    weights = artifact.weights
    table = _product(weights["embedding.embeddings"], weights["hidden.kernel"])
    return _summed(table[None]), {"mean": True}


def _flatten(artifact: Artifact) -> Parts:
    weights = artifact.weights
    words, units = weights["embedding.embeddings"], weights["hidden.kernel"].shape[1]
    kernel = weights["hidden.kernel"].reshape(-1, words.shape[1], units)
    table = np.stack([_product(words, at_position) for at_position in kernel])
    return _summed(table), {}


def _dense(artifact: Artifact) -> Parts:
    kernel = artifact.weights["hidden.kernel"]
    return _summed(np.vstack([np.zeros_like(kernel[:1]), kernel])[None]), {"max_length": 0}


def _logistic_regression(artifact: Artifact) -> Parts:
    kernel = artifact.weights["output.kernel"]
    table = np.vstack([np.zeros_like(kernel[:1]), kernel])[None]
    return _summed(table), {"max_length": 0, "hidden": False}


def _summed(table: npt.NDArray[Any]) -> Tensors:
    """The tensors of a sum over words: what each adds to the first layer, before that layer's bias."""
    positions, _, units = table.shape
    tail = np.zeros((positions + 1, units))
    if positions > 1:
        tail[:-1] = np.cumsum(table[::-1, 0].astype(np.float64), axis=0)[::-1]
    return {"sum.table": table, "sum.tail": tail}


def _half(artifact: Artifact, table: npt.NDArray[Any]) -> npt.NDArray[np.float16]:
    if np.abs(table).max(initial=0) > np.finfo(np.float16).max:
        raise UsageError(
            f"The table of model {artifact.reference} does not fit into float16.",
            received=f"a value of {np.abs(table).max():g}",
            expected=f"values up to {np.finfo(np.float16).max:g}",
            fix="leave out half under [score]",
        )
    return table.astype(np.float16)


_FOLDS: dict[str, Callable[[Artifact], Parts]] = {
    "logistic_regression": _logistic_regression,
    "dense": _dense,
    "embedding_flatten": _flatten,
    "embedding_max_pooling": _max_pooling,
    "embedding_average_pooling": _average_pooling,
    "cnn": _cnn,
    "kim_cnn": _kim_cnn,
}
