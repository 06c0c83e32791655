"""Workers that Spark needs no more end without a word: a run that ends with 0 prints no traceback."""

import errno

import pytest

from tests.processes import run_module
from textclf.spark.worker_gc import _Traceback


def test_queries_that_need_no_more_rows_and_the_end_of_a_session_print_no_traceback() -> None:
    done = run_module("tests.spark.early_end_process")

    assert done.stdout == "done\n", done.stderr
    assert "daemon.py" not in done.stderr, done.stderr  # the traceback of the task that failed is no daemon's
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize(
    ("error", "quiet"),
    [
        (BrokenPipeError(), True),
        (ConnectionResetError(), True),
        (EOFError(), True),
        (ValueError(), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
    ],
)
def test_only_the_end_of_a_connection_is_kept_quiet(
    error: Exception, quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    import traceback

    try:
        raise error
    except (OSError, EOFError, ValueError):
        _Traceback(traceback).print_exc()

    assert ("Traceback" not in capsys.readouterr().err) == quiet
