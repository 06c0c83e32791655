"""Reports of workers to the driver: hosts where numpy replaced numba, and the first error of a row."""

import platform
from typing import Any

from pyspark import Accumulator, AccumulatorParam, SparkContext

from textclf.kernels.compiler import numba_missing, numba_runs

Fallbacks = dict[str, str]
"""Why numba does not run, by host; and under ``FIRST_ERROR``, which is not a host name, the first error of a row.

That error is not masked yet, and its last line is the place in the code.
"""
FIRST_ERROR = "first error"


class _Merged(AccumulatorParam[Fallbacks]):
    """Accumulator that merges dictionaries."""

    def zero(self, value: Fallbacks) -> Fallbacks:  # noqa: ARG002 - Spark's signature
        return {}

    def addInPlace(self, value1: Fallbacks, value2: Fallbacks) -> Fallbacks:  # noqa: N802 - Spark's name
        value1.update(value2)
        return value1


def listen(context: SparkContext) -> Accumulator[Fallbacks]:
    """Make the accumulator that workers report into; the driver reads it after a job has ended."""
    return context.accumulator({}, _Merged())


def tell(fallbacks: Any) -> None:
    """In a worker: report to the driver if numba does not run here."""
    if fallbacks is not None and not numba_runs():
        fallbacks.add({platform.node(): numba_missing() or "spared"})
