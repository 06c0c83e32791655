"""A clean end for who is asked to stop with SIGTERM, as schedulers and clusters ask.

The signal cancels what Spark does now; the cancelled job raises where the run waits for it, and the run unwinds as
after any other error: locks go back, the record is written. Rows that are staged already stay. A second SIGTERM ends
the process at once.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from py4j.protocol import Py4JError
from pyspark import SparkContext

from textclf.errors import TextclfError

_asked = threading.Event()  # of the process, as the signal is
_cancelling: list[threading.Thread] = []


class StoppedError(TextclfError):
    """The run was asked to end before it was done."""

    status = "stopped"

    def __init__(self) -> None:
        super().__init__(
            "The run was asked to end (SIGTERM) before it was done.",
            fix="start it again: what is done is not done twice",
        )


def asked() -> bool:
    """Whether this run was asked to end; what Spark did then is cancelled when this returns."""
    if not _asked.is_set():
        return False
    for thread in _cancelling:
        thread.join()  # else it might hit what comes now: the run's record
    return True


def check() -> None:
    """Go on, unless the run was asked to end.

    Raises:
        StoppedError: It was.
    """
    if asked():
        raise StoppedError


@contextmanager
def stoppable() -> Iterator[None]:
    """Take SIGTERM, within, as a wish to end cleanly; elsewhere than on the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
        signal.signal(signal.SIGTERM, before)
        # In a thread: the handler may have interrupted a call to Spark half way.
        _cancelling.append(threading.Thread(target=_cancel, daemon=True))
        _cancelling[-1].start()
        _asked.set()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _asked.clear()
        _cancelling.clear()


def _cancel() -> None:
    context = SparkContext._active_spark_context
    if context is not None:
        with suppress(Py4JError, OSError):  # Java may have had the signal, too
            context.cancelAllJobs()
