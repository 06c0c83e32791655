"""Adam on the rows of a matrix of which a step reads few: a row is brought up to date when it is read again.

Adam moves every row in every step, also those whose gradient is zero: their moments decay and the row goes on moving
by them. On an embedding that is most of a small network's step. A row that no step reads for ``n`` steps moves by

    m * sum over s = 1..n of  a[t+s] * b1^s / (c * r^s + e),    c = sqrt(v), r = sqrt(b2)

where ``m`` and ``v`` are its moments after step ``t``, ``b1``, ``b2`` and ``e`` Adam's constants and ``a`` the rates
with both corrections of bias in them. With u = c + e and q = c / u, 1 / (c * r^s + e) is 1/u * sum over j of
q^j * (1 - r^s)^j, so that the move is

    m / u * (S0 + q * S1 + q^2 * S2 + q^3 * S3 + ...),    Sj = sum over s of  a[t+s] * b1^s * (1 - r^s)^j

in which ``Sj`` depends on the steps alone. The weights b1^s leave s small: with Keras' constants the term in S4 and all
after it are together less than 3e-8 of S0, half a unit in the last place of a float, and are left out.
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
TERMS = 4  # of the sum over j
COLUMNS = 2 + TERMS


@dataclass(frozen=True)
class Adam:
    """The constants of Keras' Adam; those of Kingma and Ba 2015 but for the epsilon."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def rates(self, given: npt.ArrayLike, done: int) -> Float64:
        """Rates with the corrections of bias in them, for the steps that follow ``done`` others."""
        step = done + 1 + np.arange(np.size(given))
        found: Float64 = given * np.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        return found

    def update(self, state: Moved, slope: Any, rate: Any) -> Moved:
        """Values and moments after a step."""
        import jax.numpy as jnp

        value, first, second = state
        first = first + (slope - first) * (1 - self.beta_1)
        second = second + (slope * slope - second) * (1 - self.beta_2)
        return value - first * rate / (jnp.sqrt(second) + self.epsilon), first, second

    def catch_up(self, state: Moved, sums: Any) -> Moved:
        """Rows and moments after steps that did not read them.

        Args:
            state: Each of shape (rows, width).
            sums: Of ``Arrears.sums``, shape (rows, COLUMNS).
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
    """What rows miss between any two of some steps.

    Args:
        rates: Of ``Adam.rates``, one a step.
    """

    def __init__(self, adam: Adam, rates: Sequence[float] | Float64) -> None:
        self._bases = adam.beta_1 * adam.beta_2 ** (np.arange(TERMS) / 2)
        powers = np.arange(len(rates) + 1)[:, None]
        self._powers: Float64 = self._bases**powers
        self._decays: Float64 = np.array([adam.beta_1, adam.beta_2]) ** powers
        # From each step to the last: between two of these sums nothing is lost, as it is where all begin at the first.
        backwards = [float(rate) for rate in reversed(rates)]
        self._left: Float64 = np.array([_discounted(backwards, float(base)) for base in self._bases]).T[::-1]
        # (1 - r^s)^j by the binomial theorem
        self._mix = np.array([[comb(j, i) * (-1) ** i for j in range(TERMS)] for i in range(TERMS)], np.float64)

    def sums(self, done: Int64, missed: Int64) -> Float32:
        """Decay of both moments and ``S0`` to ``S3``, shape (rows, COLUMNS).

        Args:
            done: Steps after which each row was up to date.
            missed: Steps from then on that did not read it.
        """
        sums = (self._left[done] - self._powers[missed] * self._left[done + missed]) @ self._mix
        return np.concatenate([self._decays[missed], sums], axis=1).astype(np.float32)


def _discounted(rates: Sequence[float], base: float) -> list[float]:
    """The sum after each rate, of which the last counts ``base``, the one before it ``base`` squared, and so on."""

    def add(total: float, rate: float) -> float:
        return base * (rate + total)

    return list(accumulate(rates, add, initial=0.0))
