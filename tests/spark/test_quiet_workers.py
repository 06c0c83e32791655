"""Workers that Spark no longer needs end silently: a successful run prints no traceback."""

import errno

import pytest

from tests.processes import run_module
from textclf.spark.worker_gc import _Traceback


def test_queries_that_need_no_more_rows_and_the_end_of_a_session_print_no_traceback() -> None:
    done = run_module("tests.spark.early_end_process")

    assert done.stdout == "done\n", done.stderr
    assert "daemon.py" not in done.stderr, done.stderr  # the failed task's traceback is not from the daemon
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
