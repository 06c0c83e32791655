"""Training rows in batches of one shape, padded or made dense on demand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from textclf.common.arrays import Float32, Int32, Int64
from textclf.kernels.padding import pad

_HELD = 64 << 20  # bytes up to which a whole matrix is kept: padding it once is faster than in every epoch

_STACKED = 8 << 20  # bytes of the batches that one call into Python returns


@dataclass(frozen=True, eq=False)
class Sequences:
    """Ragged token indices of texts; a padded matrix of a million texts would be many times as large.

    Attributes:
        flat: Indices of all texts end to end, shape (tokens,).
        offsets: Start of each text in ``flat``, then the end of the last, shape (texts + 1,).
        length: Length of a padded sequence.
    """

    flat: Int32
    offsets: Int32
    length: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def width(self) -> int:
        """Number of columns of a matrix of these rows."""
        return self.length

    def take(self, rows: Int64) -> Int32:
        """Return the padded sequences of some rows, shape (rows, length)."""
        return pad(self.flat, self.offsets, self.length, rows)


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of words, shape (texts, words), sparse."""

    matrix: csr_matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def width(self) -> int:
        """Number of columns of a matrix of these rows."""
        return int(self.matrix.shape[1])

    def take(self, rows: Int64) -> Float32:
        """Return the counts of some rows, shape (rows, words)."""
        dense: Float32 = self.matrix[rows].toarray().astype(np.float32)
        return dense


Inputs = Sequences | Counts


@dataclass(eq=False)
class Batches:
    """Rows in batches of one shape, since each further shape is another program to compile.

    The last batch is filled up with rows of weight 0. The weights of its own rows are scaled up, so that its mean loss,
    and hence its step, is that of a smaller batch.

    Attributes:
        inputs: Inputs of all rows.
        labels: Labels of all rows, shape (n,).
        rows: Numbers of the rows to use.
        weights: Weights of all rows, shape (n,); None if all are equal.
        size: Number of rows in a batch, at most that of all rows.
        seed: Seed of the order in each epoch; None keeps the order of ``rows``.
        held_bytes: Bytes up to which the whole matrix of inputs is kept.
    """

    inputs: Inputs
    labels: Int32
    rows: Int64
    weights: Float32 | None
    size: int
    seed: int | None
    held_bytes: int = _HELD
    _matrix: npt.NDArray[Any] | None = field(init=False, default=None)
    _order: Int64 = field(init=False)

    def __post_init__(self) -> None:
        self.size = min(self.size, len(self.rows))
        if 4 * len(self.rows) * self.inputs.width <= self.held_bytes:
            self._matrix = self.inputs.take(self.rows)
        self.begin(0)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def begin(self, epoch: int) -> None:
        """Put the rows into the order of an epoch, which depends only on the seed and the epoch's number."""
        count = len(self.rows)
        self._order = (
            np.arange(count) if self.seed is None else np.random.default_rng((self.seed, epoch)).permutation(count)
        )

    def batch(self, number: int) -> tuple[npt.NDArray[Any], ...]:
        """Return inputs and labels of a batch, and weights unless all rows weigh the same."""
        places = self._order[number * self.size : (number + 1) * self.size]
        chosen = self.rows[places]
        inputs = self._matrix[places] if self._matrix is not None else self.inputs.take(chosen)
        labels = self.labels[chosen]
        if self.weights is None and len(self.rows) % self.size == 0:
            return inputs, labels
        weights = np.ones(len(chosen), np.float32) if self.weights is None else self.weights[chosen]
        missing = self.size - len(chosen)
        if missing:
            inputs = np.concatenate([inputs, np.zeros((missing, inputs.shape[1]), inputs.dtype)])
            labels = np.append(labels, np.zeros(missing, labels.dtype))
            weights = np.append(weights * (self.size / len(chosen)), np.zeros(missing)).astype(np.float32)
        return inputs, labels, weights


def keras_dataset(batches: Batches) -> Any:
    """Wrap the batches as a dataset for Keras' engine."""
    import keras

    if keras.backend.backend() == "tensorflow":
        return _tensorflow_dataset(batches)

    class Dataset(keras.utils.PyDataset):  # type: ignore[misc]  # keras has no types
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, number: int) -> tuple[npt.NDArray[Any], ...]:
            return batches.batch(number)

    return Dataset()


def _tensorflow_dataset(batches: Batches) -> Any:
    """Return several batches per call from TensorFlow into Python, since a call costs more than a small batch."""
    import tensorflow as tf

    one = batches.batch(0)
    at_once = max(_STACKED // sum(part.nbytes for part in one), 1)

    def generate() -> Iterator[tuple[npt.NDArray[Any], ...]]:
        for start in range(0, len(batches), at_once):
            numbers = range(start, min(start + at_once, len(batches)))
            yield tuple(np.stack(parts) for parts in zip(*map(batches.batch, numbers), strict=True))

    signature = tuple(tf.TensorSpec((None, *part.shape), part.dtype) for part in one)
    stacked = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return stacked.unbatch().apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(1)
