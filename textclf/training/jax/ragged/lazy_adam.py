"""Lazy Adam, for a matrix of which each step reads few rows: a row is brought up to date when it is read again.

Adam moves every row in every step. A row whose gradient is zero goes on moving by its moments, which decay. For an
embedding this takes most of the time of a small network's step. In ``n`` steps that do not read it, a row moves by

    m * sum over s = 1..n of  a[t+s] * b1^s / (c * r^s + e),    c = sqrt(v), r = sqrt(b2)

where ``m`` and ``v`` are its moments after step ``t``, ``b1``, ``b2`` and ``e`` are Adam's constants, and ``a`` are the
learning rates including both bias corrections. With u = c + e and q = c / u, 1 / (c * r^s + e) equals 1/u * sum over j
of q^j * (1 - r^s)^j, so that the move is

    m / u * (S0 + q * S1 + q^2 * S2 + q^3 * S3 + ...),    Sj = sum over s of  a[t+s] * b1^s * (1 - r^s)^j

in which ``Sj`` depends only on the steps. Because of the weights b1^s only small s matter: with Keras' constants the
terms from S4 on sum to less than 3e-8 of S0, half a unit in the last place of a float, and are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.common.arrays import Float32, Float64, Int64

Moved = tuple[Any, Any, Any]  # values, and Adam's first and second moments of them
TERMS = 4  # terms of the sum over j
COLUMNS = 2 + TERMS


@dataclass(frozen=True)
class Adam:
    """The constants of Keras' Adam, which are those of Kingma and Ba 2015 except for epsilon."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def rates(self, given: npt.ArrayLike, done: int) -> Float64:
        """Return the learning rates including the bias corrections, for the steps after ``done`` others."""
        step = done + 1 + np.arange(np.size(given))
        found: Float64 = given * np.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        return found

    def update(self, state: Moved, slope: Any, rate: Any) -> Moved:
        """Return values and moments after a step."""
        import jax.numpy as jnp

        value, first, second = state
        first = first + (slope - first) * (1 - self.beta_1)
        second = second + (slope * slope - second) * (1 - self.beta_2)
        return value - first * rate / (jnp.sqrt(second) + self.epsilon), first, second

    def catch_up(self, state: Moved, sums: Any) -> Moved:
        """Return rows and moments after steps that did not read them.

        Args:
            state: Rows and both moments, each of shape (rows, width).
            sums: Result of ``Arrears.sums``, shape (rows, COLUMNS).
        """
        import jax.numpy as jnp

        value, first, second = state
        root = jnp.sqrt(second)
        inverse = 1 / (root + self.epsilon)
        share = root * inverse
        total = sums[:, COLUMNS - 1, None]
        for term in range(TERMS - 2, -1, -1):
            total = total * share + sums[:, 2 + term, None]
        return value - first * inverse * total, first * sums[:, 0, None], second * sums[:, 1, None]


class Arrears:
    """Updates that rows miss between any two steps of a call.

    Args:
        adam: Adam's constants.
        rates: Learning rates from ``Adam.rates``, one per step.
    """

    def __init__(self, adam: Adam, rates: Sequence[float] | Float64) -> None:
        self._bases = adam.beta_1 * adam.beta_2 ** (np.arange(TERMS) / 2)
        powers = np.arange(len(rates) + 1)[:, None]
        self._powers: Float64 = self._bases**powers
        self._decays: Float64 = np.array([adam.beta_1, adam.beta_2]) ** powers
        # Sums run from each step to the last. Their differences lose no precision, unlike those of sums from the first.
        backwards = [float(rate) for rate in reversed(rates)]
        self._left: Float64 = np.array([_discounted(backwards, float(base)) for base in self._bases]).T[::-1]
        # The binomial theorem for (1 - r^s)^j.
        self._mix = np.array([[comb(j, i) * (-1) ** i for j in range(TERMS)] for i in range(TERMS)], np.float64)

    def sums(self, done: Int64, missed: Int64) -> Float32:
        """Compute the decay of both moments and ``S0`` to ``S3``, shape (rows, COLUMNS).

        Args:
            done: Number of steps after which each row was up to date, shape (rows,).
            missed: Number of following steps that did not read the row, shape (rows,).
        """
        sums = (self._left[done] - self._powers[missed] * self._left[done + missed]) @ self._mix
        return np.concatenate([self._decays[missed], sums], axis=1).astype(np.float32)


def _discounted(rates: Sequence[float], base: float) -> list[float]:
    """Return the sum after each rate, of the last rate times ``base``, the one before times ``base`` squared, etc."""

    def add(total: float, rate: float) -> float:
        return base * (rate + total)

    return list(accumulate(rates, add, initial=0.0))
