"""Fits on JAX that share compiled steps, for any rows of a source and any source of about the same size.

Keras' own loop compiles again when a fold has one row more, and with small networks spends more time between steps than
in them. Here the compiled step selects rows by number, so that all folds of a source have the same shape. Length, rows
and vocabulary are rounded up, so that sources of similar size share a shape, too.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np

from textclf.common.arrays import Float32, Int32, Int64
from textclf.models import InputShape, KerasArchitecture
from textclf.training.evaluation import EPSILON
from textclf.training.jax.ragged.batches import bucket
from textclf.training.settings import FitSettings

_COMPILED = 32  # networks kept for the next fit of the same shape
_WATCHED = 512  # most held-out rows per call
_SLICES = 16  # wider windows are gathered, since a program of many slices takes long to compile
_QUICKLY: dict[str, str | bool] = {
    "xla_backend_optimization_level": "0",
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}  # for a program that runs once


@dataclass
class Steps:
    """One network's compiled functions, and the initial state of a fit.

    Attributes:
        model: The Keras model.
        build: Function that builds the model.
        optimizer: The optimizer.
        epoch: Function of state, inputs, labels, class weights, order of the training rows, their number, learning rate
            of each step, and batch size. It is compiled for each batch size. Returns the state after an epoch, the
            rows' summed loss during it, and the number of correct rows.
        watch: Function of state, inputs, labels, rows and how many of them count. Returns their summed loss and the
            number of correct rows.
        initial: Trained and other variables, by seed.
    """

    model: Any
    build: Callable[[], Any]
    optimizer: Any
    epoch: Callable[..., Any]
    watch: Callable[..., Any]
    initial: dict[int, list[list[Any]]] = field(default_factory=dict)

    def begin(self, seed: int, weigh: Callable[[Any], Any]) -> list[list[Any]]:
        """Return trained variables, other variables and the optimizer's variables at the start of a fit."""
        import jax.numpy as jnp

        if seed not in self.initial:
            self.initial[seed] = drawn(self.build, seed)[1]
        assign(self.model, self.initial[seed])
        weigh(self.model)
        # The compiled step donates the memory of its state, so it needs copies. Numpy makes them without compiling a
        # program for each shape.
        copies = [[jnp.array(np.array(variable.value)) for variable in part] for part in _variables(self.model)]
        return [*copies, [jnp.array(np.zeros(each.shape, each.dtype)) for each in self.optimizer.variables]]


def _rate_place(optimizer: Any) -> int:
    """Return the place of the learning rate among the optimizer's variables."""
    return [variable.path.split("/")[-1] for variable in optimizer.variables].index("learning_rate")


def losses(outputs: Any, labels: Any) -> tuple[Any, Any]:
    """Compute each row's loss and whether it is correct, from probabilities of shape (rows, 1) or (rows, labels)."""
    import jax.numpy as jnp

    if outputs.shape[1] == 1:
        chance = jnp.where(labels == 1, outputs[:, 0], 1 - outputs[:, 0])
        right = (outputs[:, 0] > 0.5) == (labels == 1)
    else:
        chance = jnp.take_along_axis(outputs, labels[:, None], 1)[:, 0]
        right = outputs.argmax(1) == labels
    return -jnp.log(jnp.clip(chance, EPSILON, 1 - EPSILON)), right


def _variables(model: Any) -> tuple[list[Any], list[Any]]:
    return model.trainable_variables, model.non_trainable_variables


def drawn(build: Callable[[], Any], seed: int) -> tuple[Any, list[list[Any]]]:
    """Build a graph and draw its initial values by a seed, including those of dropout's generators.

    The graph is built while a single program that draws all values is traced. Drawn one by one, each shape would need a
    program of its own, which takes longer than compiling the training step. The graph's variables have no values until
    they are assigned.
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


# long: closures over one network that JAX traces into two programs.
@lru_cache(maxsize=_COMPILED)
def steps_of(made: KerasArchitecture, hyperparameters: Any, shape: InputShape, seed: int) -> Steps:
    """Return the compiled functions of a network, which are kept so that the next fit of the shape traces nothing."""
    import jax
    import jax.numpy as jnp
    import keras
    from keras import layers

    def build() -> Any:
        return made.build(hyperparameters, shape)

    model, initial = drawn(build, seed)
    optimizer = keras.optimizers.Adam()
    # Traced and discarded: its zeros would compile a program for each shape, and a fit brings its own state.
    jax.eval_shape(lambda: optimizer.build(model.trainable_variables))
    place = _rate_place(optimizer)

    def objective(trained: Any, others: Any, inputs: Any, labels: Any, counts: Any, weights: Any) -> Any:
        with _computed(model, {layers.Embedding: _lookup, layers.Conv1D: _convolution}):
            outputs, others = model.stateless_call(trained, others, inputs, training=True)
        each, right = losses(outputs, labels)
        mean = jnp.sum(each * weights * counts) / jnp.sum(counts)
        return mean, (others, jnp.stack([jnp.sum(each * weights * counts), jnp.sum(right * counts)]))

    gradient = jax.value_and_grad(objective, has_aux=True)

    def epoch(
        state: Any, inputs: Any, labels: Any, class_weights: Any, order: Any, rows: Any, rates: Any, batch_size: int
    ) -> Any:
        def step(number: Any, carried: Any) -> Any:
            trained, others, moments, sums = carried
            places = number * batch_size + jnp.arange(batch_size)
            chosen = jax.lax.dynamic_slice(order, (number * batch_size,), (batch_size,))
            counts = (places < rows).astype(jnp.float32)
            weights = class_weights[labels[chosen]]
            found, slopes = gradient(trained, others, inputs[chosen], labels[chosen], counts, weights)
            moments = [*moments[:place], rates[number], *moments[place + 1 :]]
            trained, moments = optimizer.stateless_apply(moments, slopes, trained)
            # Lists, like the given state: a state of tuples would be another program to compile.
            return list(trained), list(found[1][0]), list(moments), sums + found[1][1]

        *state, sums = jax.lax.fori_loop(0, -(-rows // batch_size), step, (*state, jnp.zeros(2)))
        return state, sums

    def watch(state: Any, inputs: Any, labels: Any, chosen: Any, rows: Any) -> Any:
        with _computed(model, {layers.Embedding: _lookup}):
            outputs, _ = model.stateless_call(state[0], state[1], inputs[chosen], training=False)
        each, right = losses(outputs, labels[chosen])
        counts = jnp.arange(len(chosen)) < rows
        return jnp.stack([jnp.sum(jnp.where(counts, each, 0)), jnp.sum(right & counts)])

    compiled = jax.jit(epoch, donate_argnums=0, static_argnames="batch_size")
    return Steps(model, build, optimizer, compiled, jax.jit(watch), {seed: initial})


@contextmanager
def _computed(model: Any, forms: dict[type, Callable[..., Any]]) -> Iterator[None]:
    """Within the context, trace the layers of these types in forms that XLA compiles better than Keras' own."""
    changed = [layer for layer in model.layers if type(layer) in forms]
    for layer in changed:
        layer.call = partial(forms[type(layer)], layer)
    try:
        yield
    finally:
        for layer in changed:
            del layer.call


def _lookup(layer: Any, inputs: Any) -> Any:
    """Look up embeddings as Keras' layer does, without its slowly compiled bounds check: an encoder's are in bounds."""
    import jax.numpy as jnp

    return jnp.asarray(layer.embeddings).at[inputs].get(mode="promise_in_bounds")


def _convolution(layer: Any, inputs: Any) -> Any:
    """Compute Keras' layer with valid padding and stride 1 as a matrix product.

    XLA has fast convolution kernels for CPUs only outside of loops; inside a loop it took 10 to 20 times as long.
    """
    return layer.activation(_convolve(inputs, layer.kernel) + layer.bias)


def _convolve(inputs: Any, kernel: Any) -> Any:
    """Convolve (batch, length, dim) by (width, dim, filters), valid and with stride 1, to (batch, places, filters)."""
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
    """A fit in progress, which trains and measures one epoch at a time.

    Args:
        steps: The compiled functions.
        inputs: Sequences of all rows of the source, shape (rows, length), with both rounded up.
        labels: Index of each row's label, shape (rows,).
        class_weights: Weight of each label, shape (labels,).
        settings: Settings of the fit.
        weigh: Function that sets a new model's pretrained vectors.
    """

    def __init__(
        self, steps: Steps, inputs: Int32, labels: Int32, class_weights: Float32, settings: FitSettings,
        weigh: Callable[[Any], Any],
    ) -> None:  # fmt: skip
        import jax.numpy as jnp

        self._steps, self._settings = steps, settings
        self._inputs, self._labels, self._weights = jnp.array(inputs), jnp.array(labels), class_weights
        self._state: Any = steps.begin(settings.seed, weigh)
        self._sizes = [size for epochs, size in settings.stretches for _ in epochs]
        self._generator = np.random.default_rng(settings.seed)
        self.rate = settings.learning_rate

    def epoch(self, train: Int64, epoch: int) -> tuple[float, float]:
        """Train on rows in a new order; return mean loss and accuracy during the epoch."""
        batch = self._sizes[epoch]
        # The same length for every fold of the source, and for all of its rows.
        order = np.zeros(bucket(-(-len(self._labels) // batch)) * batch, np.int32)
        order[: len(train)] = self._generator.permutation(train)
        rates = np.zeros(len(order) // batch, np.float32)
        count = -(-len(train) // batch)
        rates[:count] = self._settings.rates(epoch, count, self.rate)
        self._state, sums = self._steps.epoch(
            self._state, self._inputs, self._labels, self._weights, order, np.int32(len(train)), rates, batch_size=batch
        )
        loss, right = np.asarray(sums, np.float64) / len(train)
        return float(loss), float(right)

    def watch(self, held: Int64) -> tuple[float, float]:
        """Compute mean loss and accuracy on held-out rows."""
        sums, size = np.zeros(2), min(bucket(len(held)), _WATCHED)
        for begin in range(0, len(held), size):
            part = held[begin : begin + size]
            chosen = np.zeros(size, np.int32)
            chosen[: len(part)] = part
            sums += np.asarray(self._steps.watch(self._state, self._inputs, self._labels, chosen, len(part)))
        return float(sums[0] / len(held)), float(sums[1] / len(held))

    def weights(self) -> list[Float32]:
        """Return the current weights, in the order of the graph."""
        model = self._steps.model
        assign(model, self._state[:2])
        return list(model.get_weights())
