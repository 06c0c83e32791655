"""The scorer of compiled models: from Arrow's bytes to probabilities, without TensorFlow, pandas or row objects."""

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.artifact import Artifact
from textclf.common.arrays import Float32, Float64, Int32, Int64
from textclf.inference.compile_model import compile_model
from textclf.inference.compiled_model import CompiledModel, Pool, aligned
from textclf.inference.scorer import TokenScorer
from textclf.kernels.compiler import numba_runs
from textclf.text.token_index import TokenIndex

_UNITS = 16  # see layers.dense
_ROWS = 2048  # texts at a time, so that the values between two layers stay in the processor's caches


def loops() -> ModuleType:
    """Return the module of kernels that runs here: numba's, or numpy's if numba cannot run."""
    if numba_runs():
        from textclf.kernels import layers

        return layers
    from textclf.kernels import layers_numpy

    return layers_numpy


class CompiledScorer(TokenScorer):
    """Scores texts with a compiled model.

    A score depends only on its text and model: it is the same to the last bit for every batch size, neighbour and
    partition.
    """

    def __init__(self, compiled: CompiledModel) -> None:
        self.info, self.tensors, self.loops = compiled.info, compiled.tensors, loops()
        arrays = {name.removeprefix("index."): array for name, array in compiled.tensors.items() if "index." in name}
        self.index = TokenIndex(compiled.info.tokenizer, arrays)
        self._dense = {
            layer: _padded(compiled.tensors[f"{layer}.kernel"], compiled.tensors[f"{layer}.bias"])
            for layer in ("hidden", "output")
            if f"{layer}.kernel" in compiled.tensors
        }

    @classmethod
    def of(cls, artifact: Artifact) -> "CompiledScorer":
        """Compile a model and make its scorer.

        Raises:
            UsageError: The model cannot be compiled, or its table is too large.
        """
        return cls(compile_model(artifact))

    def score_tokens(self, flat: Int32, offsets: Int64) -> Float32:
        """Compute the probabilities of texts given as token indices, shape (n, labels)."""
        labels = len(self.info.labels)
        scores = np.empty((len(offsets) - 1, labels), np.float32)
        for begin in range(0, len(scores), _ROWS):
            logits = self.features(flat, offsets[begin : begin + _ROWS + 1])
            for layer, (kernel, bias) in self._dense.items():
                inputs, logits = logits, np.empty((len(logits), len(bias)))
                exact = inputs.dtype == np.float32  # as are the weights of every layer
                self.loops.dense(inputs, kernel, bias, exact, layer == "hidden", logits)
            used = logits[:, : 1 if labels == 2 else labels].copy()
            self.loops.probabilities(used, scores[begin : begin + _ROWS])
        return scores

    def pools(self) -> list[tuple[Pool, Float32, Float32]]:
        """Return each convolution with its table and its bias."""
        tensors = self.tensors
        return [
            (pool, tensors[f"pool_{number}.table"], tensors[f"pool_{number}.bias"])
            for number, pool in enumerate(self.info.pools)
        ]

    def features(self, flat: Int32, offsets: Int64) -> Float32 | Float64:
        """Compute the output of the first layer with a nonlinearity, or a sum that is the logits.

        Returns:
            Features, shape (n, features): float32 if they are maxima, float64 if they are sums.
        """
        info, tensors = self.info, self.tensors
        if not info.pools:
            layer = "hidden" if "hidden.bias" in tensors else "output"
            bias, table = tensors[f"{layer}.bias"], tensors["sum.table"]
            out = np.empty((len(offsets) - 1, len(bias)))
            self.loops.sum_tokens(flat, offsets, table, tensors["sum.tail"], info.max_length, info.mean, out)
            self.loops.add_bias(out, bias, layer == "hidden")
            return out
        pools = self.pools()
        features, column = sum(len(bias) for _, _, bias in pools), 0
        out = np.empty((len(offsets) - 1, features), np.float32)
        for pool, table, bias in pools:
            tokens, rows = self.widened(flat, table, pool.width)
            self.loops.pool_windows(tokens, offsets, rows, pool.width, info.max_length, bias, pool.relu, column, out)
            column += len(bias)
        return out

    def widened(self, flat: Int32, table: npt.NDArray[Any], width: int) -> tuple[Int32, Float32]:
        """Return tokens and table; for a half-precision table only the rows that the tokens need, as float32."""
        if table.dtype != np.float16:
            return flat, table
        words, renumbered = np.unique(np.append(np.int32(0), flat), return_inverse=True)  # 0 stays 0: padding
        rows = (words.astype(np.int64)[:, None] * width + np.arange(width)).ravel()
        return renumbered[1:].astype(np.int32), table[rows].astype(np.float32)


def _padded(kernel: Float64, bias: Float64) -> tuple[Float64, Float64]:
    """Pad a dense layer with units of zeros to whole vectors, in aligned memory, which is read fast."""
    more = -len(bias) % _UNITS
    return aligned(np.pad(kernel, ((0, 0), (0, more)))), aligned(np.pad(bias, (0, more)))
