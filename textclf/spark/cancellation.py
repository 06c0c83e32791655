"""A clean end for a run that is asked to stop: with SIGTERM, as schedulers and clusters ask, or with Ctrl-C.

The signal cancels what Spark does now; the cancelled job raises where the run waits for it, and the run unwinds as
after any other error: the record is written, locks go back. Rows that are all staged stay. A second signal ends the
process as if nothing had been said here: SIGTERM at once, Ctrl-C with ``KeyboardInterrupt``.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkContext

from textclf.errors import TextclfError

_asked = threading.Event()  # of the process, as the signal is
_cancelling: list[threading.Thread] = []
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_before: dict[int, Any] = {}  # what was done at each signal before; empty where nobody listens


class StoppedError(TextclfError):
    """The run was asked to end before it was done."""

    status = "stopped"

    def __init__(self) -> None:
        super().__init__(
            "The run was asked to end (SIGTERM or Ctrl-C) before it was done.",
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
    """Take the signals, within, as a wish to end cleanly; elsewhere than on the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread() or _before:
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    # A shell lets what it starts in the background ignore Ctrl-C: that is left as it is.
    _before.update({number: handler for number, handler in before.items() if handler is not signal.SIG_IGN})
    listen()
    try:
        yield
    finally:
        _restore()
        _before.clear()
        _asked.clear()
        _cancelling.clear()


def listen() -> None:
    """Take the signals again, after others have: PySpark puts a handler of its own for Ctrl-C with each context."""
    if _before and not _asked.is_set() and threading.current_thread() is threading.main_thread():
        for number in _before:
            signal.signal(number, _stop)


def _restore() -> None:
    for number, handler in _before.items():
        # None: one that was not put there by Python, and cannot be put back by it.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
    _restore()
    # In a thread: the handler may have interrupted a call to Spark half way.
    _cancelling.append(threading.Thread(target=_cancel, daemon=True))
    _cancelling[-1].start()
    _asked.set()


def _cancel() -> None:
    context = SparkContext._active_spark_context
    if context is not None:
        with suppress(Py4JError, OSError):  # Java may have had the signal, too
            context.cancelAllJobs()
