"""Training rows as batches of one shape, padded or made dense when they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from textclf.common.arrays import Float32, Int32, Int64
from textclf.kernels.padding import pad

_HELD = 64 << 20  # bytes of a whole matrix that is worth holding: padding it once is faster than in every epoch

_STACKED = 8 << 20  # bytes of the batches of one call into Python


@dataclass(frozen=True, eq=False)
class Sequences:
    """Token indices of texts, end to end; a padded matrix of a million texts would be many times as large.

    Attributes:
        flat: Indices of all texts, shape (tokens,).
        offsets: Where each text begins, and the end of the last: shape (texts + 1,).
        length: Of a padded sequence.
    """

    flat: Int32
    offsets: Int32
    length: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def width(self) -> int:
        """Columns of a matrix of these rows."""
        return self.length

    def take(self, rows: Int64) -> Int32:
        """The padded sequences of those rows, shape (rows, length)."""
        return pad(self.flat, self.offsets, self.length, rows)


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of words, shape (texts, words), sparse."""

    matrix: csr_matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def width(self) -> int:
        """Columns of a matrix of these rows."""
        return int(self.matrix.shape[1])

    def take(self, rows: Int64) -> Float32:
        """The counts of those rows, shape (rows, words)."""
        dense: Float32 = self.matrix[rows].toarray().astype(np.float32)
        return dense


Inputs = Sequences | Counts


@dataclass(eq=False)
class Batches:
    """Rows in batches of one shape: one more shape is one more program to compile.

    The last batch is filled up with rows of weight 0; its own rows weigh so much more that its mean loss, and so its
    step, is that of a smaller batch.

    Attributes:
        inputs: Of all rows, of which ``rows`` are used, shape (n,).
        labels: Of all rows.
        weights: Of all rows; None where all weigh the same.
        size: Rows of a batch; fewer where there are fewer rows in all.
        seed: Of the order in each epoch; None keeps the order of ``rows``.
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
        """Put the rows into the order of an epoch: by its number, so that nothing else can change it."""
        count = len(self.rows)
        self._order = (
            np.arange(count) if self.seed is None else np.random.default_rng((self.seed, epoch)).permutation(count)
        )

    def batch(self, number: int) -> tuple[npt.NDArray[Any], ...]:
        """Inputs and labels, and weights where rows weigh differently."""
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
    """The batches as Keras reads them on its engine."""
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
    """Several batches for each call from TensorFlow into Python: the call costs more than a small batch."""
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
