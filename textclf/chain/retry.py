"""Retry work after transient failures: lost executors, conflicts with other writers."""

import time
from collections.abc import Callable
from typing import TypeVar

from textclf.common.logs import say
from textclf.common.secrets import first_line
from textclf.errors import TextclfError
from textclf.spark import cancellation
from textclf.spark.failures import passing
from textclf.storage.commit_retry import lost_a_race

_Result = TypeVar("_Result")

_TURN = 0.5  # seconds between two checks, during a pause, for a request to stop


def can_pass(error: Exception) -> bool:
    """Return whether a retry may succeed; never after an error that tells a person what to do."""
    if isinstance(error, TextclfError):
        return False
    return lost_a_race(error) or passing(error)


def _wait(seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not cancellation.asked():
        time.sleep(min(left, _TURN))


def again(work: Callable[[], _Result], retries: int, pause: float, wait: Callable[[float], None] = _wait) -> _Result:
    """Run work and return its result; retry transient failures after a pause that doubles each time.

    Args:
        work: Work to run.
        retries: Number of attempts after the first.
        pause: Seconds before the second attempt.
        wait: Function that waits for a number of seconds; by default it returns early on a request to stop.

    Raises:
        StoppedError: The run was asked to stop.
        Exception: Error of the last attempt, or the first error that is not transient.
    """
    attempt = 0
    while True:
        cancellation.check()
        try:
            return work()
        except Exception as error:
            if attempt == retries or cancellation.asked() or not can_pass(error):
                raise
            seconds = pause * 2**attempt
            first = first_line(error, 200)
            say(f"attempt {attempt + 1} of {retries + 1} failed, the next in {seconds:g} s: {first}", "warning")
        wait(seconds)
        attempt += 1
