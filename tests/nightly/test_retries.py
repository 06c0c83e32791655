"""What is tried again, and what is not."""

import time
from collections.abc import Callable

import pytest

from textclf.errors import InputError, LockError, TextclfError
from textclf.nightly.retries import again, can_pass


class Failing:
    """Work that fails some times before it succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


LOST = RuntimeError("Job aborted: ExecutorLostFailure (executor 1 exited caused by one of the running tasks)")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (LOST, True),
        (RuntimeError("Python worker exited unexpectedly (crashed)"), True),
        (RuntimeError("java.net.SocketTimeoutException: Read timed out"), True),
        (RuntimeError("DELTA_TABLE_ALREADY_EXISTS"), True),
        (RuntimeError("division by zero"), False),
        (MemoryError(), False),
        (InputError("The file that said ExecutorLostFailure is missing."), False),
        (LockError("Another run works on this day."), False),
    ],
)
def test_only_what_can_pass_is_tried_again(error: Exception, expected: bool) -> None:
    assert can_pass(error) is expected
    work = Failing(error)
    if expected:
        again(work, 1, 0.0)
    else:
        with pytest.raises(type(error)):
            again(work, 1, 0.0)
    assert work.calls == (2 if expected else 1)


def test_attempts_end_and_pauses_grow() -> None:
    begun = time.monotonic()
    work = Failing(LOST, LOST, LOST, LOST)
    with pytest.raises(RuntimeError):
        again(work, 2, 0.1)
    assert work.calls == 3
    assert time.monotonic() - begun >= 0.3


def test_an_error_that_says_what_to_do_comes_through_unchanged() -> None:
    work: Callable[[], None] = Failing(TextclfError("No.", fix="do something"))
    with pytest.raises(TextclfError, match="do something"):
        again(work, 3, 60.0)
