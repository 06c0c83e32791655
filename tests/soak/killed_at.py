"""Run ``score_table`` and kill it with SIGKILL, including its JVM and workers, when it reaches a point:

python -m tests.soak.killed_at POINT [arguments of score_table]
"""

import os
import signal
import sys

from jobs import score_table
from tests.points import is_at
from textclf.storage.run_points import listening


def main() -> int:
    """Run the job and return its exit code if it does not reach the point."""

    def listen(reached: str) -> None:
        if is_at(reached, sys.argv[1]):
            os.killpg(os.getpgrp(), signal.SIGKILL)

    with listening(listen):
        return score_table.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
