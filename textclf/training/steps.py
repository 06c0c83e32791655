"""Fits on JAX that share compiled steps: any rows of a source, any source of about the same size.

Keras' own loop compiles again when a fold has one row more, and spends more time between steps than small networks
do in them. Here rows are chosen by number inside the compiled step, so that every fold of a source has one shape,
and length, rows and vocabulary are rounded up so that neighbouring sources have one too.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.models import InputShape, KerasArchitecture
from textclf.training.settings import FitSettings

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
_COMPILED = 32  # networks kept for the next fit of the same shape
_WATCHED = 64  # held-out rows scored at once: few of them are there to fill the last part
_SLICES = 16  # a wider window is gathered: a program of many slices compiles long
_QUICKLY: dict[str, str | bool] = {
    "xla_backend_optimization_level": "0",
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}  # it runs once
_TINY = 1e-7  # Keras' epsilon: probabilities are kept this far from 0 and 1 under a logarithm


def bucket(size: int) -> int:
    """A size rounded up to one of eight for each doubling: at most an eighth more.

    Example:
        >>> bucket(1), bucket(7), bucket(562), bucket(563), bucket(1747)
        (1, 7, 576, 576, 1792)
    """
    step = 1 << max(0, size.bit_length() - 4)
    return -(-size // step) * step


@dataclass
class Steps:
    """One network's compiled functions, and the state that a fit begins with.

    Attributes:
        epoch: State, inputs, labels, class weights, the order of the training rows and how many they are, the learning
            rate of each step, the held rows and how many they are, and the batch size, for each of which it is
            compiled: the state after an epoch, and for training and held rows their summed loss and how many are right.
    """

    model: Any
    build: Callable[[], Any]
    optimizer: Any
    epoch: Callable[..., Any]
    initial: dict[int, list[list[Any]]] = field(default_factory=dict)

    def begin(self, seed: int, weigh: Callable[[Any], Any]) -> list[list[Any]]:
        """Trained variables, other variables and the optimizer's of a fit that has not begun."""
        import jax.numpy as jnp

        if seed not in self.initial:
            self.initial[seed] = drawn(self.build, seed)[1]
        assign(self.model, self.initial[seed])
        weigh(self.model)
        # Copies: the compiled step gives the memory of its state away.
        # By way of numpy, which compiles no program for each shape.
        copies = [[jnp.array(np.array(variable.value)) for variable in part] for part in _variables(self.model)]
        return [*copies, [jnp.array(np.zeros(each.shape, each.dtype)) for each in self.optimizer.variables]]


def _rate_place(optimizer: Any) -> int:
    """Where the learning rate stands among the optimizer's variables."""
    return [variable.path.split("/")[-1] for variable in optimizer.variables].index("learning_rate")


def _variables(model: Any) -> tuple[list[Any], list[Any]]:
    return model.trainable_variables, model.non_trainable_variables


def drawn(build: Callable[[], Any], seed: int) -> tuple[Any, list[list[Any]]]:
    """A new graph, and its initial values by a seed, those of dropout's generators among them.

    Built while one program is traced that draws all values: drawn one by one, each shape would be a program to compile,
    which takes longer than compiling the training step. The graph's variables hold nothing until they are assigned.
    """
    import jax

    graphs = []

    def draw() -> list[list[Any]]:
        graphs.append(build())
        return [[variable.value for variable in part] for part in _variables(graphs[0])]

    # Layers take their own seeds from Python's generator; keras.utils.set_random_seed would load TensorFlow.
    random.seed(seed)
    values = jax.jit(draw).lower().compile(compiler_options=_QUICKLY)()
    (model,) = graphs
    assign(model, values)
    for layer in model.layers:
        if generator := getattr(layer, "seed_generator", None):
            generator.state.assign(np.array([seed & 0xFFFFFFFF, 0], "uint32"))
    return model, [[np.array(variable.value) for variable in part] for part in _variables(model)]


def assign(model: Any, values: list[list[Any]]) -> None:
    for variables, parts in zip(_variables(model), values, strict=True):
        for variable, value in zip(variables, parts, strict=True):
            variable.assign(value)


@lru_cache(maxsize=_COMPILED)
def steps_of(made: KerasArchitecture, hyperparameters: Any, shape: InputShape, seed: int) -> Steps:
    """The compiled functions of a network; kept, so that the next fit of the shape traces nothing."""
    import jax
    import jax.numpy as jnp
    import keras

    def build() -> Any:
        return made.build(hyperparameters, shape)

    model, initial = drawn(build, seed)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    place = _rate_place(optimizer)
    _by_products(model)

    def losses(outputs: Any, labels: Any) -> tuple[Any, Any]:
        if shape.outputs == 1:
            chance = jnp.where(labels == 1, outputs[:, 0], 1 - outputs[:, 0])
            right = (outputs[:, 0] > 0.5) == (labels == 1)
        else:
            chance = jnp.take_along_axis(outputs, labels[:, None], 1)[:, 0]
            right = outputs.argmax(1) == labels
        return -jnp.log(jnp.clip(chance, _TINY, 1 - _TINY)), right

    def objective(trained: Any, others: Any, inputs: Any, labels: Any, counts: Any, weights: Any) -> Any:
        outputs, others = model.stateless_call(trained, others, inputs, training=True)
        each, right = losses(outputs, labels)
        mean = jnp.sum(each * weights * counts) / jnp.sum(counts)
        return mean, (others, jnp.stack([jnp.sum(each * weights * counts), jnp.sum(right * counts)]))

    gradient = jax.value_and_grad(objective, has_aux=True)

    def epoch(
        state: Any, inputs: Any, labels: Any, class_weights: Any, order: Any, rows: Any, rates: Any, held: Any,
        held_rows: Any, batch_size: int,
    ) -> Any:  # fmt: skip
        def train(number: Any, carried: Any) -> Any:
            trained, others, moments, sums = carried
            places = number * batch_size + jnp.arange(batch_size)
            chosen = jax.lax.dynamic_slice(order, (number * batch_size,), (batch_size,))
            counts = (places < rows).astype(jnp.float32)
            weights = class_weights[labels[chosen]]
            found, slopes = gradient(trained, others, inputs[chosen], labels[chosen], counts, weights)
            moments = [*moments[:place], rates[number], *moments[place + 1 :]]
            trained, moments = optimizer.stateless_apply(moments, slopes, trained)
            # Lists, as they came: a state of tuples would be another program to compile.
            return list(trained), list(found[1][0]), list(moments), sums + found[1][1]

        def watch(number: Any, sums: Any) -> Any:
            chosen = jax.lax.dynamic_slice(held, (number * _WATCHED,), (_WATCHED,))
            outputs, _ = model.stateless_call(trained, others, inputs[chosen], training=False)
            each, right = losses(outputs, labels[chosen])
            counts = number * _WATCHED + jnp.arange(_WATCHED) < held_rows
            return sums + jnp.stack([jnp.sum(jnp.where(counts, each, 0)), jnp.sum(right & counts)])

        begun = (*state, jnp.zeros(2))
        trained, others, moments, sums = jax.lax.fori_loop(0, -(-rows // batch_size), train, begun)
        watched = jax.lax.fori_loop(0, -(-held_rows // _WATCHED), watch, jnp.zeros(2))
        return [trained, others, moments], jnp.stack([sums, watched])

    return Steps(
        model, build, optimizer, jax.jit(epoch, donate_argnums=0, static_argnames="batch_size"), {seed: initial}
    )


def _by_products(model: Any) -> None:
    """Have the graph's convolutions computed as products of matrices.

    XLA leaves a convolution to its fast kernels on a CPU only outside loops; within one it took 10 to 20 times as long.
    """
    from keras import layers

    for layer in model.layers:
        if isinstance(layer, layers.Conv1D):
            layer.call = partial(_convolution, layer)


def _convolution(layer: Any, inputs: Any) -> Any:
    """What Keras' layer gives; its padding is valid, its stride 1."""
    return layer.activation(_convolve(inputs, layer.kernel) + layer.bias)


def _convolve(inputs: Any, kernel: Any) -> Any:
    """Valid convolution with stride 1: (batch, length, dim) by (width, dim, filters) to (batch, places, filters)."""
    import jax.numpy as jnp

    kernel = jnp.asarray(kernel)
    width, dim, filters = kernel.shape
    batch, length, _ = inputs.shape
    places = length - width + 1
    if width <= _SLICES:
        windows = jnp.concatenate([inputs[:, first : first + places] for first in range(width)], axis=-1)
    else:
        windows = inputs[:, np.arange(places)[:, None] + np.arange(width)]
    found = windows.reshape(batch * places, width * dim) @ kernel.reshape(width * dim, filters)
    return found.reshape(batch, places, filters)


class Fitting:
    """One fit in progress: an epoch at a time, its measures after each.

    Args:
        inputs: Sequences of all rows of the source, shape (rows, length), rows and length rounded up.
        labels: Shape (rows,).
        class_weights: Shape (labels,).
        held: Numbers of the rows that are measured after each epoch and not trained on.
        weigh: Gives a fresh model its pretrained vectors.
    """

    def __init__(
        self, steps: Steps, inputs: Indices, labels: Indices, class_weights: Floats, held: Ints, settings: FitSettings,
        weigh: Callable[[Any], Any],
    ) -> None:  # fmt: skip
        import jax.numpy as jnp

        self._steps, self._settings, self._rows = steps, settings, len(inputs)
        self._data = jnp.array(inputs), jnp.array(labels), jnp.array(class_weights)
        self._held = jnp.array(_filled(held, self._rows, _WATCHED)), np.int32(len(held))
        self._state: Any = steps.begin(settings.seed, weigh)
        self._sizes = [size for epochs, size in settings.stretches for _ in epochs]
        self._generator = np.random.default_rng(settings.seed)
        self.rate = settings.learning_rate

    def epoch(self, train: Ints, epoch: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Train on rows in a new order: mean loss and accuracy on them while it lasted, and on the held ones then."""
        batch = self._sizes[epoch]
        order = _filled(self._generator.permutation(train), self._rows, batch)
        rates = self._rates(epoch, -(-len(train) // batch), len(order) // batch)
        self._state, sums = self._steps.epoch(
            self._state, *self._data, order, np.int32(len(train)), rates, *self._held, batch_size=batch
        )
        (loss, right), (held_loss, held_right) = np.asarray(sums, np.float64)
        held = max(int(self._held[1]), 1)
        return (float(loss / len(train)), float(right / len(train))), (
            float(held_loss / held),
            float(held_right / held),
        )

    def weights(self) -> list[Floats]:
        """The weights as they are now, in the order of the graph."""
        model = self._steps.model
        assign(model, self._state[:2])
        return list(model.get_weights())

    def _rates(self, epoch: int, count: int, length: int) -> Floats:
        """The learning rate of each of an epoch's steps, filled up to a length that all folds share."""
        if self._settings.schedule != "cosine":
            return np.full(length, self.rate, np.float32)
        epochs = epoch + np.arange(length) / count
        share = 0.5 * (1 + np.cos(math.pi * epochs / self._settings.epochs))
        return (self._settings.learning_rate * share).astype(np.float32)


def _filled(rows: Ints, size: int, part: int) -> Indices:
    """Row numbers, followed by zeros up to a whole number of parts that holds ``size`` of them."""
    filled = np.zeros(bucket(-(-size // part)) * part, np.int32)
    filled[: len(rows)] = rows
    return filled
