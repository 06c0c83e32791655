"""A fit in progress on ragged batches."""

from collections.abc import Sequence

import numpy as np

from textclf.common.arrays import Float32, Float64, Int64
from textclf.models import Windows
from textclf.training.jax.ragged.batches import Packed, Sizes, Texts, TooManyWordsError, Words
from textclf.training.jax.ragged.lazy_adam import Arrears, Moved
from textclf.training.jax.ragged.step import ADAM, programs
from textclf.training.settings import FitSettings


class PackedFitting:
    """A fit in progress, like ``textclf.training.jax.train_loop.Fitting``, but on ragged texts.

    Args:
        shape: Sizes of the network.
        initial: Initial tensors, in the order of the graph.
        texts: Texts of the source.
        settings: Settings of the fit.
    """

    def __init__(self, shape: Windows, initial: Sequence[Float32], texts: Texts, settings: FitSettings) -> None:
        self._shape, self._texts, self._settings = shape, texts, settings
        embedding, *others = initial
        self._shapes = [tensor.shape for tensor in others]
        dense = np.concatenate([tensor.reshape(-1) for tensor in others])
        self._state: tuple[Moved, Moved] = (
            _on_device(embedding, np.zeros_like(embedding), np.zeros_like(embedding)),
            _on_device(dense, np.zeros_like(dense), np.zeros_like(dense)),
        )
        self._programs = programs(shape)
        batches = [size for epochs, size in settings.stretches for _ in epochs]
        by_batch = {batch: texts.sizes(batch) for batch in set(batches)}
        self._sizes = [by_batch[batch] for batch in batches]
        self._held_sizes = texts.held_sizes()
        self._held: tuple[Int64, list[tuple[Packed, int]]] | None = None
        self._generator = np.random.default_rng(settings.seed)
        self._done = 0  # steps so far
        self.rate = settings.learning_rate

    def epoch(self, train: Int64, epoch: int) -> tuple[float, float]:
        """Train on rows in a new order; return mean loss and accuracy during the epoch."""
        order, sizes = self._texts.draw(train, self._sizes[epoch], self._generator)
        rates = self._settings.rates(epoch, -(-len(train) // sizes.batch), self.rate)
        sums = np.zeros(2)
        for begin in range(0, len(rates), sizes.steps):
            some = order[begin * sizes.batch : (begin + sizes.steps) * sizes.batch]
            sums += self._train(some, sizes, ADAM.rates(rates[begin : begin + sizes.steps], self._done))
        return float(sums[0] / len(train)), float(sums[1] / len(train))

    def watch(self, held: Int64) -> tuple[float, float]:
        """Compute mean loss and accuracy on held-out rows."""
        if self._held is None or self._held[0] is not held:
            self._held = held, self._texts.held(held, self._held_sizes)
        (embedding, *_), (dense, *_) = self._state
        sums = np.zeros(2)
        for packed, count in self._held[1]:
            sums += np.asarray(self._programs.watch(embedding, dense, packed, np.int32(count)))
        return float(sums[0] / len(held)), float(sums[1] / len(held))

    def weights(self) -> list[Float32]:
        """Return the current weights, in the order of the graph."""
        (embedding, *_), (dense, *_) = self._state
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        parts = np.split(np.asarray(dense), ends[:-1])
        rest = [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return [np.asarray(embedding)[: self._shape.vocabulary], *rest]

    def _train(self, order: Int64, sizes: Sizes, rates: Float64) -> Float32:
        """Run the steps of one call; return the summed loss and the number of correct rows."""
        batches, words, missed = self._pack(order, sizes, Arrears(ADAM, rates))
        embedding, dense = self._state
        rows = len(missed)  # includes the rows beyond the vocabulary, which fill up steps with few words
        if len(embedding[0]) != rows:
            room = ((0, rows - self._shape.vocabulary), (0, 0))
            embedding = _on_device(*(np.pad(np.asarray(part)[: self._shape.vocabulary], room) for part in embedding))
        every = np.zeros(sizes.steps, np.float32)
        every[: len(rates)] = rates
        self._done += len(rates)
        self._state, sums = self._programs.train(
            (embedding, dense), batches, words, every, missed, np.int32(len(rates))
        )
        return np.asarray(sums)

    def _pack(self, order: Int64, sizes: Sizes, arrears: Arrears) -> tuple[Packed, Words, Float32]:
        try:
            return self._texts.batches(order, sizes, self._shape.vocabulary, arrears)
        except TooManyWordsError:
            wider = sizes.holding(sizes.tokens - 1)
            return self._texts.batches(order, wider, self._shape.vocabulary, arrears)


def _on_device(*parts: Float32) -> Moved:
    """Copy arrays to the device: JAX may use numpy's memory as it is, and steps donate the memory of their state.

    Numpy makes the copies, since ``jnp.array`` would compile a program for each shape.
    """
    import jax

    value, first, second = (jax.device_put(np.array(part)) for part in parts)
    return value, first, second
