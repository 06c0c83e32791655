"""What workers tell the driver: where numba could not run and numpy computed instead, and which row was unreadable."""

import platform
from typing import Any

from pyspark import Accumulator, AccumulatorParam, SparkContext

from textclf.kernels.compiler import numba_missing, numba_runs

Fallbacks = dict[str, str]
"""Why numba does not run, by host; and under ``FIRST_ERROR``, which is no host's name, what a row raised.

The latter unmasked, its last line the place in the code.
"""
FIRST_ERROR = "first error"


class _Merged(AccumulatorParam[Fallbacks]):
    """Dictionaries put together."""

    def zero(self, value: Fallbacks) -> Fallbacks:  # noqa: ARG002 - Spark's signature
        return {}

    def addInPlace(self, value1: Fallbacks, value2: Fallbacks) -> Fallbacks:  # noqa: N802 - Spark's name
        value1.update(value2)
        return value1


def listen(context: SparkContext) -> Accumulator[Fallbacks]:
    """What workers tell into; read on the driver once a job has ended."""
    return context.accumulator({}, _Merged())


def tell(fallbacks: Any) -> None:
    """In a worker: tell the driver where numba does not run."""
    if fallbacks is not None and not numba_runs():
        fallbacks.add({platform.node(): numba_missing() or "spared"})
