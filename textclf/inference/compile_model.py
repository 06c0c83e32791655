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
    manifest, weights, word_sum = artifact.manifest, artifact.weights, plan.word_sum
    tensors, pools = _maxima(artifact, plan.maxima, half=half)
    if word_sum is not None:
        tensors = _sum(artifact, word_sum, weights[f"{plan.layers[0]}.kernel"])
    for number, layer in enumerate(plan.layers):
        name = "output" if layer == plan.output else "hidden"
        tensors[f"{name}.bias"] = weights[f"{layer}.bias"].astype(np.float64)
        if number > 0 or word_sum is None:  # a sum holds the first layer's kernel already
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
        pools=pools,
        mean=word_sum is not None and word_sum.mean,
        hidden=plan.hidden is not None,
        half=half,
        golden_texts=artifact.golden.texts,
        golden_scores=artifact.golden.scores,
    )
    return CompiledModel(info, {name: aligned(tensor) for name, tensor in tensors.items()})


def compilation_of(artifact: Artifact) -> Compilation:
    """What a model's tables are made of.

    Raises:
        UsageError: The architecture is neither maxima over windows nor one sum over words, so there are no such tables.
    """
    plan = artifact.architecture.compilation(artifact.hyperparameters)
    if plan is None:
        name = artifact.manifest.architecture
        compiled = (
            name for name, made in ARCHITECTURES.items() if made.compilation(made.hyperparameters()) is not None
        )
        raise UsageError(
            f"Model {artifact.reference} cannot be compiled: {name} is scored by Keras alone.",
            received=name,
            expected=f"one of: {', '.join(sorted(compiled))}",
            fix="score it with --backend keras, or with auto, which takes Keras for such models",
        )
    return plan


def check_size(artifact: Artifact, max_table_bytes: int, *, half: bool = False) -> None:
    """Refuse a table that is larger than the limit.

    Raises:
        UsageError: The table exceeds the limit; the message names the vocabulary that would fit. Or the architecture
            cannot be compiled.
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
    plan = compilation_of(artifact)
    if plan.word_sum is None:
        return sum(_columns(artifact, each) for each in plan.maxima) * (2 if half else 4)
    kernel = artifact.weights[f"{plan.layers[0]}.kernel"]
    positions = artifact.manifest.max_length if plan.word_sum.by_position else 1
    return int(positions * kernel.shape[1] * (kernel.itemsize if plan.word_sum.embedding is None else 4))


def _columns(artifact: Artifact, maximum: WindowMaximum) -> int:
    """Numbers that the table of a window holds for each word."""
    if maximum.convolution is None:
        return sum(artifact.weights[name].shape[1] for name in maximum.embeddings)
    width, _, filters = artifact.weights[f"{maximum.convolution}.kernel"].shape
    return int(width * filters)


def _maxima(artifact: Artifact, maxima: tuple[WindowMaximum, ...], *, half: bool) -> tuple[Tensors, list[Pool]]:
    """The tensors of the maxima, and what the scorer needs to know of each."""
    weights, tensors = artifact.weights, Tensors()
    pools: list[Pool] = []
    # Convolutions of several widths share their words; several embeddings are one of all their widths.
    words = {names: _side_by_side([weights[name] for name in names]) for names in {each.embeddings for each in maxima}}
    for number, maximum in enumerate(maxima):
        table = words[maximum.embeddings]
        bias, pool = np.zeros(table.shape[1], np.float32), Pool(1, relu=False)
        if maximum.convolution is not None:
            kernel = weights[f"{maximum.convolution}.kernel"]
            table, bias = _windows(table, kernel), weights[f"{maximum.convolution}.bias"]
            pool = Pool(kernel.shape[0], relu=True)
        tensors[f"pool_{number}.table"] = _half(artifact, table) if half else table
        tensors[f"pool_{number}.bias"] = bias
        pools.append(pool)
    return tensors, pools


def _side_by_side(embeddings: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return embeddings[0] if len(embeddings) == 1 else np.hstack(embeddings)


def _sum(artifact: Artifact, word_sum: WordSum, kernel: npt.NDArray[Any]) -> Tensors:
    """The tensors of a sum over words: what each adds to the first layer, before that layer's bias.

    Args:
        artifact: The model.
        word_sum: What its words add.
        kernel: Kernel of the first layer.
    """
    if word_sum.embedding is None:
        table = np.vstack([np.zeros_like(kernel[:1]), kernel])[None]  # index 0, the padding's, adds nothing
    else:
        words = artifact.weights[word_sum.embedding]
        if word_sum.by_position:
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
