"""Fits on JAX that share compiled steps: any rows of a source, any source of about the same size.

Keras' own loop compiles again when a fold has one row more, and spends more time between steps than small networks
do in them. Here rows are chosen by number inside the compiled step, so that every fold of a source has one shape,
and length, rows and vocabulary are rounded up so that neighbouring sources have one too.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.models import InputShape, KerasArchitecture
from textclf.training.settings import FitSettings

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
_COMPILED = 32  # networks kept for the next fit of the same shape
_WATCHED = 512  # held-out rows of one call at most
_QUICKLY: dict[str, str | bool] = {
    "xla_backend_optimization_level": "0",
    "xla_llvm_disable_expensive_passes": True,
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
        step: State, inputs, labels, order, number of the step and of the rows, class weights, and the batch size, for
            each of which it is compiled: the state after it.
        watch: State, inputs, labels, rows and how many of them count: their summed loss, and how many are right.
        initial: By seed: trained and other variables.
    """

    model: Any
    build: Callable[[], Any]
    optimizer: Any
    step: Callable[..., Any]
    watch: Callable[..., Any]
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

    @property
    def rate_place(self) -> int:
        """Where the learning rate stands among the optimizer's variables."""
        names = [variable.path.split("/")[-1] for variable in self.optimizer.variables]
        return names.index("learning_rate")


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

    def step(
        state: Any, inputs: Any, labels: Any, order: Any, number: Any, rows: Any, class_weights: Any, batch_size: int
    ) -> Any:
        trained, others, moments, sums = state
        places = number * batch_size + jnp.arange(batch_size)
        chosen = order[places]
        counts = (places < rows).astype(jnp.float32)
        found, slopes = gradient(trained, others, inputs[chosen], labels[chosen], counts, class_weights[labels[chosen]])
        trained, moments = optimizer.stateless_apply(moments, slopes, trained)
        return (trained, found[1][0], moments, sums + found[1][1]), number + 1

    def watch(state: Any, inputs: Any, labels: Any, chosen: Any, rows: Any) -> Any:
        outputs, _ = model.stateless_call(state[0], state[1], inputs[chosen], training=False)
        each, right = losses(outputs, labels[chosen])
        counts = jnp.arange(len(chosen)) < rows
        return jnp.stack([jnp.sum(jnp.where(counts, each, 0)), jnp.sum(right & counts)])

    compiled = jax.jit(step, donate_argnums=0, static_argnames="batch_size")
    return Steps(model, build, optimizer, compiled, jax.jit(watch), {seed: initial})


class Fitting:
    """One fit in progress: an epoch at a time, its measures after each.

    Args:
        inputs: Sequences of all rows of the source, shape (rows, length).
        labels: Shape (rows,).
        weigh: Gives a fresh model its pretrained vectors.
    """

    def __init__(
        self, steps: Steps, inputs: Any, labels: Any, settings: FitSettings, weigh: Callable[[Any], Any]
    ) -> None:
        self._steps, self._settings = steps, settings
        self._inputs, self._labels = inputs, labels
        self._state: Any = steps.begin(settings.seed, weigh)
        self._place = steps.rate_place
        self._sizes = [size for epochs, size in settings.stretches for _ in epochs]
        self._generator = np.random.default_rng(settings.seed)
        self.rate = settings.learning_rate

    def epoch(self, train: Ints, class_weights: Floats, epoch: int) -> tuple[float, float]:
        """Train on rows in a new order; mean loss and accuracy while it lasted."""
        import jax.numpy as jnp

        batch = self._sizes[epoch]
        count = -(-len(train) // batch)
        order = np.zeros(bucket(count) * batch, np.int32)
        order[: len(train)] = self._generator.permutation(train)
        rest = jnp.array(order), jnp.int32(len(train)), jnp.array(class_weights)
        state: Any = (*self._state, jnp.zeros(2))
        number = jnp.int32(0)
        for step in range(count):
            if step == 0 or self._settings.schedule == "cosine":
                state[2][self._place] = jnp.float32(self._rate((epoch * count + step) / count))
            state, number = self._steps.step(
                state, self._inputs, self._labels, rest[0], number, *rest[1:], batch_size=batch
            )
        self._state = state[:3]
        loss, right = np.asarray(state[3]) / len(train)
        return float(loss), float(right)

    def watch(self, held: Ints) -> tuple[float, float]:
        """Mean loss and accuracy on rows that are not trained on."""
        sums, size = np.zeros(2), min(bucket(len(held)), _WATCHED)
        for begin in range(0, len(held), size):
            part = held[begin : begin + size]
            chosen = np.zeros(size, np.int32)
            chosen[: len(part)] = part
            sums += np.asarray(self._steps.watch(self._state, self._inputs, self._labels, chosen, len(part)))
        return float(sums[0] / len(held)), float(sums[1] / len(held))

    def weights(self) -> list[Floats]:
        """The weights as they are now, in the order of the graph."""
        model = self._steps.model
        assign(model, self._state[:2])
        return list(model.get_weights())

    def _rate(self, epochs: float) -> float:
        if self._settings.schedule != "cosine":
            return self.rate
        return self._settings.learning_rate * 0.5 * (1 + math.cos(math.pi * epochs / self._settings.epochs))
