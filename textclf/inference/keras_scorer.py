"""The scorer of Keras networks: tokens from Arrow's bytes, few input shapes, and the GPU that Spark gives the task."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from textclf.artifact import Artifact, keras_model, network_scores
from textclf.common.arrays import Float32, Int32, Int64
from textclf.inference.scorer import TokenScorer
from textclf.kernels.padding import pad
from textclf.spark.gpu import device, task_gpu
from textclf.text.encoder import counts_matrix
from textclf.text.token_index import TokenIndex

_ROWS = {"cpu": 512, "gpu": 8192}  # texts per call: fit a CPU's caches, fill a GPU's thousands of lanes
_AT_ONCE = 1 << 16  # sequences padded at once
_WIDTHS = (16, 32, 64, 128, 256, 512, 1024)  # lengths of sequences; for each a graph is traced


class KerasScorer(TokenScorer):
    """Scores texts with a network, whose graph the package builds and whose weights are the artifact's.

    Texts are scored together with others of about their length, in calls of one shape for each length, so that a score
    depends only on its text. When memory runs out, calls become half as large.
    """

    def __init__(self, artifact: Artifact) -> None:
        manifest = artifact.manifest
        self._artifact, self._labels = artifact, len(manifest.labels)
        self._words = artifact.shape.vocabulary - 1
        self.index = TokenIndex.of(manifest.tokenizer, artifact.vocabulary.tokens[: self._words])
        self._padding = artifact.architecture.padding(artifact.hyperparameters)
        self._models: dict[int, Any] = {}
        self._gpu = task_gpu()
        self.rows = _ROWS["cpu" if self._gpu is None else "gpu"]

    def score_tokens(self, flat: Int32, offsets: Int64) -> Float32:
        """Compute the probabilities of texts given as token indices, shape (n, labels)."""
        known = np.diff(offsets).astype(np.int32)
        scores = np.empty((len(known), self._labels), np.float32)
        if self._artifact.architecture.features == "counts":
            counts = counts_matrix(flat, offsets.copy(), self._words)  # the matrix may take over the copy
            scores[:] = self._call(counts, self._artifact.shape.max_length)
            return scores
        for width, rows in self._by_width(known):
            for start in range(0, len(rows), _AT_ONCE):
                part = rows[start : start + _AT_ONCE]
                scores[part] = self._call(pad(flat, offsets, width, part), width)
        return scores

    def _by_width(self, known: Int32) -> Iterator[tuple[int, Int64]]:
        """Yield each width to which sequences are padded, with its rows."""
        full = self._artifact.shape.max_length
        if self._padding is None:
            yield full, np.arange(len(known))
            return
        widths = np.array([*(width for width in _WIDTHS if width < full), full])
        chosen = np.searchsorted(widths, np.minimum(known + self._padding, full))
        for number, width in enumerate(widths):
            rows = np.flatnonzero(chosen == number)
            if len(rows):
                yield int(width), rows

    def _call(self, inputs: Any, width: int) -> Float32:
        with device(self._gpu):
            model = self._model(width)
            while True:
                try:
                    return network_scores(model, inputs, self.rows)
                except Exception as error:
                    if self.rows == 1 or not out_of_memory(error):
                        raise
                    self.rows //= 2
                sys.stderr.write(f"{self._artifact.reference}: out of memory, scoring {self.rows} rows at a time\n")

    def _model(self, width: int) -> Any:
        if width not in self._models:
            model = keras_model(self._artifact, replace(self._artifact.shape, max_length=width))
            # XLA fuses many kernels into one on a GPU; on a CPU it takes seconds in every worker.
            model.compile(jit_compile=self._gpu is not None)
            self._models[width] = model
        return self._models[width]


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of an engine means that memory ran out; each engine has its own error.

    Example:
        >>> out_of_memory(MemoryError()), out_of_memory(ValueError("a shape"))
        (True, False)
    """
    words = f"{type(error).__name__}: {error}"
    signs = ("ResourceExhausted", "RESOURCE_EXHAUSTED", "OOM when allocating", "Out of memory", "out of memory")
    return isinstance(error, MemoryError) or any(sign in words for sign in signs)
