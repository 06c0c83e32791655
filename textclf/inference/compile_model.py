"""Compile a trained model: the layers before the first nonlinearity become tables over the vocabulary.

A convolution over embedded words is a sum of ``width`` rows of a table (vocabulary, width, filters): row (w, k) is the
embedding of w times the kernel's k-th slice. Bias and ReLU keep the order of numbers, so they come after the maximum.
Layers that only sum or average words become a table together with the dense layer after them. What a model is made of
its architecture says (``Architecture.compilation``).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.artifact import Artifact
from textclf.common.arrays import Float32
from textclf.errors import UsageError
from textclf.inference.compiled_model import CompiledModel, ModelInfo, Pool, aligned
from textclf.models import ARCHITECTURES, Compilation, WindowMaximum, WordSum
from textclf.text.token_index import TokenIndex

MAX_TABLE_BYTES = 1 << 30
_STEP = 4096  # words multiplied at a time: bounds the memory of products in double precision

Tensors = dict[str, npt.NDArray[Any]]


def compile_model(artifact: Artifact, *, max_table_bytes: int = MAX_TABLE_BYTES, half: bool = False) -> CompiledModel:
    """Compile a model.

    Args:
        artifact: Model to compile.
        max_table_bytes: Limit of the tables over the vocabulary, in bytes.
        half: Whether tables of convolutions are float16: half the memory, and an error to be measured.

    Raises:
        UsageError: The architecture cannot be compiled, or its table would exceed the limit.
    """
    plan = compilation_of(artifact)
    check_size(artifact, max_table_bytes, half=half)
    manifest, weights = artifact.manifest, artifact.weights
    features = plan.features
    summed = isinstance(features, WordSum)
    tensors = _sum(artifact, plan) if isinstance(features, WordSum) else _maxima(artifact, features, half=half)
    for number, layer in enumerate(plan.layers):
        name = "output" if layer == plan.output else "hidden"
        tensors[f"{name}.bias"] = weights[f"{layer}.bias"].astype(np.float64)
        if number > 0 or not summed:  # the sum holds the first layer's kernel already
            tensors[f"{name}.kernel"] = weights[f"{layer}.kernel"].astype(np.float64)
    index = TokenIndex.of(manifest.tokenizer, artifact.vocabulary.tokens[: artifact.shape.vocabulary - 1])
    tensors |= {f"index.{name}": array for name, array in index.arrays.items()}
    info = ModelInfo(
        manifest.name,
        manifest.version,
        artifact.digest,
        manifest.labels,
        manifest.tokenizer,
        manifest.max_length if artifact.architecture.features == "sequences" else 0,
        pools=[] if isinstance(features, WordSum) else [_pool_of(artifact, each) for each in features],
        mean=isinstance(features, WordSum) and features.mean,
        hidden=plan.hidden is not None,
        half=half,
        golden_texts=artifact.golden.texts,
        golden_scores=artifact.golden.scores,
    )
    return CompiledModel(info, {name: aligned(tensor) for name, tensor in tensors.items()})


def compilation_of(artifact: Artifact) -> Compilation:
    """What a model's tables are made of.

    Raises:
        UsageError: The architecture's words interact before they are pooled, so there are no such tables.
    """
    plan = artifact.architecture.compilation(artifact.hyperparameters)
    if plan is None:
        name = artifact.manifest.architecture
        compiled = (
            name for name, made in ARCHITECTURES.items() if made.compilation(made.hyperparameters()) is not None
        )
        raise UsageError(
            f"Model {artifact.reference} cannot be compiled: {name} is not a table over the vocabulary.",
            received=name,
            expected=f"one of: {', '.join(sorted(compiled))}",
            fix="score it with --backend keras, or with auto, which takes Keras for such models",
        )
    return plan


def check_size(artifact: Artifact, max_table_bytes: int, *, half: bool = False) -> None:
    """Refuse a table that is larger than the limit.

    Raises:
        UsageError: The table exceeds the limit; the message names the vocabulary that would fit.
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
    """Bytes of a model's tables for each word of its vocabulary.

    Raises:
        UsageError: The architecture cannot be compiled.
    """
    plan, weights = compilation_of(artifact), artifact.weights
    if not isinstance(plan.features, WordSum):
        return sum(_columns(artifact, each) for each in plan.features) * (2 if half else 4)
    kernel = weights[f"{plan.layers[0]}.kernel"]
    positions = artifact.manifest.max_length if plan.features.by_position else 1
    return int(positions * kernel.shape[1] * (kernel.itemsize if plan.features.embedding is None else 4))


def _columns(artifact: Artifact, maximum: WindowMaximum) -> int:
    """Numbers that the table of a window holds for each word."""
    if maximum.convolution is None:
        return sum(artifact.weights[name].shape[1] for name in maximum.embeddings)
    width, _, filters = artifact.weights[f"{maximum.convolution}.kernel"].shape
    return int(width * filters)


def _pool_of(artifact: Artifact, maximum: WindowMaximum) -> Pool:
    if maximum.convolution is None:
        return Pool(1, relu=False)
    return Pool(artifact.weights[f"{maximum.convolution}.kernel"].shape[0], relu=True)


def _maxima(artifact: Artifact, maxima: tuple[WindowMaximum, ...], *, half: bool) -> Tensors:
    weights, tensors = artifact.weights, Tensors()
    for number, maximum in enumerate(maxima):
        given = [weights[name] for name in maximum.embeddings]
        words = given[0] if len(given) == 1 else np.hstack(given)  # several are one of all their widths
        if maximum.convolution is None:
            table, bias = words, np.zeros(words.shape[1], np.float32)
        else:
            table, bias = (
                _windows(words, weights[f"{maximum.convolution}.kernel"]),
                weights[f"{maximum.convolution}.bias"],
            )
        tensors[f"pool_{number}.table"] = _half(artifact, table) if half else table
        tensors[f"pool_{number}.bias"] = bias
    return tensors


def _sum(artifact: Artifact, plan: Compilation) -> Tensors:
    """The tensors of a sum over words: what each adds to the first layer, before that layer's bias."""
    features = plan.features
    assert isinstance(features, WordSum)
    kernel = artifact.weights[f"{plan.layers[0]}.kernel"]
    if features.embedding is None:
        table = np.vstack([np.zeros_like(kernel[:1]), kernel])[None]  # index 0, the padding's, adds nothing
    else:
        words = artifact.weights[features.embedding]
        if features.by_position:
            at_positions = kernel.reshape(-1, words.shape[1], kernel.shape[1])
            table = np.stack([_product(words, at_position) for at_position in at_positions])
        else:
            table = _product(words, kernel)[None]
    positions, _, units = table.shape
    tail = np.zeros((positions + 1, units))
    if positions > 1:
        tail[:-1] = np.cumsum(table[::-1, 0].astype(np.float64), axis=0)[::-1]
    return {"sum.table": table, "sum.tail": tail}


def _product(words: npt.NDArray[Any], kernel: npt.NDArray[Any]) -> Float32:
    """Words (vocabulary, dim) times (dim, columns), summed in double precision, as float32."""
    wide, made = kernel.astype(np.float64), np.empty((len(words), kernel.shape[1]), np.float32)
    for start in range(0, len(words), _STEP):
        made[start : start + _STEP] = words[start : start + _STEP].astype(np.float64) @ wide
    return made


def _windows(words: npt.NDArray[Any], kernel: npt.NDArray[Any]) -> Float32:
    """The table of a convolution's kernel (width, dim, filters): shape (vocabulary * width, filters)."""
    width, dim, filters = kernel.shape
    side_by_side = kernel.transpose(1, 0, 2).reshape(dim, width * filters)
    return _product(words, side_by_side).reshape(len(words) * width, filters)


def _half(artifact: Artifact, table: npt.NDArray[Any]) -> npt.NDArray[np.float16]:
    if np.abs(table).max(initial=0) > np.finfo(np.float16).max:
        raise UsageError(
            f"The table of model {artifact.reference} does not fit into float16.",
            received=f"a value of {np.abs(table).max():g}",
            expected=f"values up to {np.finfo(np.float16).max:g}",
            fix="leave out half under [score]",
        )
    return table.astype(np.float16)
