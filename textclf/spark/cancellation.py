"""Cancel a run cleanly on SIGTERM, which schedulers and clusters send, or on Ctrl-C.

The signal cancels the running Spark jobs. The cancelled job raises where the run waits for it, and the run unwinds as
after any other error: its record is written and its locks are given back. Rows that are completely staged are kept. A
second signal has its usual effect: SIGTERM ends the process at once, Ctrl-C raises ``KeyboardInterrupt``.
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

_asked = threading.Event()  # for the whole process, as signals are
_cancelling: list[threading.Thread] = []
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_before: dict[int, Any] = {}  # previous handler of each signal; empty while no run listens


class StoppedError(TextclfError):
    """The run was asked to stop before it was finished."""

    status = "stopped"

    def __init__(self) -> None:
        super().__init__(
            "The run was asked to stop (SIGTERM or Ctrl-C) before it was finished.",
            fix="start it again: finished work is not repeated",
        )


def asked() -> bool:
    """Whether this run was asked to stop. If so, the running Spark jobs are cancelled when this returns."""
    if not _asked.is_set():
        return False
    for thread in _cancelling:
        thread.join()  # otherwise it might cancel what comes next: the run's record
    return True


def check() -> None:
    """Raise an error if the run was asked to stop.

    Raises:
        StoppedError: The run was asked to stop.
    """
    if asked():
        raise StoppedError


@contextmanager
def stoppable() -> Iterator[None]:
    """Cancel cleanly on a signal inside the block. On other threads than the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread() or _before:
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    # A shell makes programs in the background ignore Ctrl-C: that is left as it is.
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
    """Install the signal handlers again, because PySpark installs its own for Ctrl-C with each context."""
    if _before and not _asked.is_set() and threading.current_thread() is threading.main_thread():
        for number in _before:
            signal.signal(number, _stop)


def _restore() -> None:
    for number, handler in _before.items():
        # None stands for a handler that Python has not installed and cannot restore.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
    _restore()
    # In a thread, because the handler may have interrupted a call to Spark.
    _cancelling.append(threading.Thread(target=_cancel, daemon=True))
    _cancelling[-1].start()
    _asked.set()


def _cancel() -> None:
    context = SparkContext._active_spark_context
    if context is not None:
        with suppress(Py4JError, OSError):  # the JVM may have received the signal, too
            context.cancelAllJobs()
