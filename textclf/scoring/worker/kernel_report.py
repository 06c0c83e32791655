"""What workers tell the driver: where numba could not run and numpy computed instead, and which row was unreadable."""

import platform
from typing import TYPE_CHECKING, Any

from pyspark import Accumulator, AccumulatorParam, SparkContext

from textclf.kernels.compiler import numba_missing, numba_runs

if TYPE_CHECKING:  # workers import this module, and have no use for the tables
    from textclf.runs.record import RunRecord

Fallbacks = dict[str, str]
"""Why numba does not run, by host; and under ``FIRST_ERROR``, which is no host's name, what a row raised.

The latter unmasked, its last line the place in the code.
"""
FIRST_ERROR = "first error"
_LONGEST = 200  # characters of an error that a record keeps


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


def note_kernels(run: "RunRecord", fallbacks: Fallbacks) -> None:
    """Note in a run what its compiled models were computed with, and say so where it was not numba."""
    from textclf.common.logs import say  # not for workers, which import this module and say nothing

    fallbacks = {host: why for host, why in fallbacks.items() if host != FIRST_ERROR}
    run.details["kernels"] = {host: f"numpy: {why}" for host, why in sorted(fallbacks.items())} or "numba"
    for host, why in sorted(fallbacks.items()):
        what = f"textclf: on {host} numba cannot run ({why}); its workers scored with numpy, several times slower."
        say(what, "warning")


def note_unreadable(run: "RunRecord", told: Fallbacks, rows: int) -> None:
    """Note in a run that rows were rejected for reasons that nobody foresaw, and say so."""
    from textclf.common.logs import say
    from textclf.common.secrets import first_line

    if rows:
        error, _, place = told.get(FIRST_ERROR, "unknown\n").rpartition("\n")
        first = f"{first_line(Exception(error), _LONGEST)} {place}".rstrip()
        run.details["unreadable_rows"] = {"rows": rows, "first_error": first}
        say(f"textclf: {rows} rows could not be scored and are rejects (unreadable_row); one raised {first}", "warning")
