"""Workers that Spark needs no more end without a word: a run that ends with 0 prints no traceback."""

import errno
import os
import subprocess
import sys

import pytest

from textclf.spark.worker_gc import _Traceback

_EARLY = """
import sys
import pyarrow as pa
from textclf.storage.worker_files import arrow_codec
from textclf.spark import open_session

def many(batches):  # knows nothing of textclf, as those of PySpark's own that convert rows
    arrow_codec("none")
    for batch in batches:
        yield from [batch] * 100

spark = open_session("early", {"spark.master": "local[2]", "spark.ui.showConsoleProgress": "false"})
rows = spark.range(20000).repartition(2)
for _ in range(3):
    assert len(rows.mapInArrow(many, "id long").limit(5).collect()) == 5
    assert not rows.limit(40).mapInArrow(many, "id long").isEmpty()
try:
    rows.mapInArrow(lambda batches: [arrow_codec("x"), 1 / 0], "id long").count()
except Exception as error:
    assert "ZeroDivisionError" in str(error)  # what a task raises still comes to the driver
print("done")
"""


def test_queries_that_need_no_more_rows_and_the_end_of_a_session_print_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", _EARLY], capture_output=True, text=True, check=False, env=os.environ)

    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
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
