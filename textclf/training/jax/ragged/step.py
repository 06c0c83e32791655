"""Training steps of convolutional networks on JAX that do not compute padding.

A network of an embedding, one convolution, its maximum over the text, and dense layers (the tutorial's network) sees
the words of a text and one window of only padding, however far the text is padded. So the texts of a batch are put end
to end, each window that begins at a word is computed, and a text's maximum is taken over its windows and the window of
padding. A step moves only the rows of the embedding that it reads; the others move when they are read (see
``textclf.training.jax.ragged.lazy_adam``). A fit equals that of Keras except for the rounding of floats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from textclf.models import Windows
from textclf.training.jax.executable_cache import Executables
from textclf.training.jax.ragged.batches import Packed, Words
from textclf.training.jax.ragged.lazy_adam import Adam
from textclf.training.jax.train_loop import losses

_COMPILED = 32  # programs kept for the next fit of the same shape
_LIGHTLY = {"xla_backend_optimization_level": "1"}  # compiles a third faster, runs as fast: mostly one matrix product
_MADE_OF = tuple(
    f"textclf.training.jax.{name}" for name in ("ragged.step", "ragged.batches", "ragged.lazy_adam", "train_loop")
)
ADAM = Adam()


@dataclass(frozen=True)
class Programs:
    """The compiled functions of a network.

    Attributes:
        train: Function of ``state, batches, words, rates, missed, count``. The state is the embedding and its two
            moments, each of shape (vocabulary + words of a step, dim), and all other tensors and their moments, each
            flattened end to end. The other arguments are what ``count`` steps read, their rates, and the updates that
            the embedding's rows have missed after them. Returns the state after the steps, the rows' summed loss, and
            the number of correct rows.
        watch: Function of ``embedding, dense, batches, count``. Returns the summed loss and the number of correct rows.
    """

    train: Executables
    watch: Executables


@lru_cache(maxsize=_COMPILED)
def programs(shape: Windows) -> Programs:
    """Return the compiled functions of a network, which are kept so that the next fit of the shape traces nothing."""
    import jax
    import jax.numpy as jnp

    def train(state: Any, batches: Packed, words: Words, rates: Any, missed: Any, count: Any) -> Any:
        def step(number: Any, carried: Any) -> Any:
            embedding, dense, sums = carried
            batch, read, rate = _at((batches, words, rates), number)
            embedding, dense, measured = _step(shape, embedding, dense, batch, read, rate)
            return embedding, dense, sums + measured

        embedding, dense, sums = jax.lax.fori_loop(0, count, step, (*state, jnp.zeros(2)))
        return (ADAM.catch_up(embedding, missed), dense), sums

    def watch(embedding: Any, dense: Any, batches: Packed, count: Any) -> Any:
        kernel, bias, *tail = _split(shape, dense)

        def step(number: Any, sums: Any) -> Any:
            batch = _at(batches, number)
            top = _strongest(_windows(embedding, batch, shape.width), kernel, batch)[1]
            outputs = _outputs(shape, tail, jax.nn.relu(top + bias))
            return sums + _measures(batch, losses(outputs, batch.labels))

        return jax.lax.fori_loop(0, count, step, jnp.zeros(2))

    return Programs(
        Executables(train, shape, _MADE_OF, donated=0), Executables(watch, shape, _MADE_OF, options=_LIGHTLY)
    )


def _step(shape: Windows, embedding: Any, dense: Any, batch: Packed, read: Words, rate: Any) -> Any:
    """Return embedding, other tensors and measures after a training step."""
    import jax
    import jax.numpy as jnp

    once: dict[str, Any] = {"unique_indices": True, "indices_are_sorted": True, **_PROMISED}
    rows = ADAM.catch_up(tuple(part.at[read.rows].get(**once) for part in embedding), read.missed)
    tensors = _split(shape, dense[0])
    windows = _windows(rows[0], batch, shape.width)
    kernel, bias = tensors[:2]
    values, top, padding = _strongest(windows, kernel, batch)

    def objective(tail: Any, pooled: Any) -> Any:
        found = losses(_outputs(shape, tail, pooled), batch.labels)
        return jnp.sum(found[0] * batch.weights) / jnp.sum(batch.counts), _measures(batch, found)

    before = top + bias
    (tail, pooled), measured = jax.grad(objective, argnums=(0, 1), has_aux=True)(tensors[2:], jax.nn.relu(before))
    pooled = jnp.where(before > 0, pooled, 0)

    # The gradient goes to the windows with the maximum, in equal parts if there are several, as in Keras.
    texts = batch.texts
    inside = jnp.minimum(texts, len(batch.labels) - 1)
    strongest = (values == top.at[inside].get(**_PROMISED)) & (texts < len(batch.labels))[:, None]
    padded = batch.padded[:, None] & (top == padding)
    ties = jnp.zeros((len(batch.labels) + 1, shape.filters)).at[texts].add(strongest.astype(jnp.float32), **_PROMISED)
    shares = pooled / jnp.maximum(ties[:-1] + padded, 1)
    # The last place does not belong to a text: its window is that of padding.
    shares = jnp.concatenate([shares, jnp.sum(shares * padded, 0, keepdims=True)])
    strongest |= (jnp.arange(len(texts)) == len(texts) - 1)[:, None]
    slopes = jnp.where(strongest, _apart(shares).at[texts].get(**_PROMISED), 0)

    slope = _back(slopes @ kernel.T, batch, rows[0])
    parts = [windows.T @ slopes, pooled.sum(0), *tail]
    rows = ADAM.update(rows, slope, rate)
    embedding = tuple(part.at[read.rows].set(row, **once) for part, row in zip(embedding, rows, strict=True))
    return embedding, ADAM.update(dense, jnp.concatenate([part.reshape(-1) for part in parts]), rate), measured


_PROMISED: dict[str, Any] = {"mode": "promise_in_bounds", "wrap_negative_indices": False}


def _apart(values: Any) -> Any:
    """Return the values behind a barrier, so that XLA computes them once instead of fusing them into each reader."""
    import jax

    return jax.lax.optimization_barrier(values)  # type: ignore[no-untyped-call]


def _at(reads: Any, number: Any) -> Any:
    import jax

    return jax.tree.map(lambda part: jax.lax.dynamic_index_in_dim(part, number, keepdims=False), reads)


def _split(shape: Windows, dense: Any) -> list[Any]:
    """Split ``dense`` into the tensors after the embedding; the kernel becomes a matrix (width * dim, filters)."""
    shapes: list[tuple[int, ...]] = [(shape.width * shape.dim, shape.filters), (shape.filters,)]
    inputs = shape.filters
    for units, _ in shape.dense:
        shapes += [(inputs, units), (units,)]
        inputs = units
    ends = np.cumsum([int(np.prod(wanted)) for wanted in shapes])
    parts = zip([0, *ends], ends, shapes, strict=False)
    return [dense[begin:end].reshape(wanted) for begin, end, wanted in parts]


def _windows(rows: Any, batch: Packed, width: int) -> Any:
    """Return the window at each place, with padding after the end of its text, shape (tokens, width * dim)."""
    import jax.numpy as jnp

    size = len(batch.places)
    tokens = rows.at[jnp.concatenate([batch.places, jnp.zeros(width - 1, jnp.int32)])].get(**_PROMISED)
    inside = [(batch.left > number)[:, None] for number in range(width)]
    parts = [jnp.where(inside[number], tokens[number : number + size], rows[0]) for number in range(width)]
    return jnp.concatenate(parts, axis=1)


def _back(slopes: Any, batch: Packed, rows: Any) -> Any:
    """Compute the gradient of rows from that of windows, the reverse of ``_windows``."""
    import jax.numpy as jnp

    (size, dim), width = (len(slopes), rows.shape[1]), slopes.shape[1] // rows.shape[1]
    before = jnp.concatenate([jnp.zeros((width - 1, width * dim)), slopes])
    left = jnp.concatenate([jnp.zeros(width - 1, jnp.int32), batch.left])
    tokens = padding = jnp.zeros((size, dim))
    for number in range(width):
        part = slice(number * dim, (number + 1) * dim)
        begin = slice(width - 1 - number, width - 1 - number + size)
        tokens += jnp.where((left[begin] > number)[:, None], before[begin, part], 0)
        padding += jnp.where((batch.left > number)[:, None], 0, slopes[:, part])
    places = jnp.concatenate([batch.places, jnp.zeros(size, jnp.int32)])
    return jnp.zeros_like(rows).at[places].add(jnp.concatenate([tokens, padding]), **_PROMISED)


def _strongest(windows: Any, kernel: Any, batch: Packed) -> tuple[Any, Any, Any]:
    """Return all windows' values without bias, each text's maximum, and the values of the window of padding."""
    import jax.numpy as jnp

    found = windows @ kernel
    texts = batch.padded.shape[0]
    top = jnp.full((texts + 1, found.shape[1]), -jnp.inf).at[batch.texts].max(found, **_PROMISED)[:-1]
    return found, jnp.where(batch.padded[:, None], jnp.maximum(top, found[-1]), top), found[-1]


def _outputs(shape: Windows, tail: Sequence[Any], pooled: Any) -> Any:
    """Return the last layer's output for each text."""
    import jax

    for number, (_, activation) in enumerate(shape.dense):
        pooled = getattr(jax.nn, activation)(pooled @ tail[2 * number] + tail[2 * number + 1])
    return pooled


def _measures(batch: Packed, found: tuple[Any, Any]) -> Any:
    import jax.numpy as jnp

    each, right = found
    return jnp.stack([jnp.sum(each * batch.weights), jnp.sum(right * batch.counts)])
