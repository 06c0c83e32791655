"""Train models of several sources in the driver, then on workers, in a process in which no other engine has run.

``python -m tests.training.side_by_side_process CONFIG FLAGS`` prints the run records of both, each followed by the
number of fits in each Spark job.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from jobs import train_model as job
from textclf.spark.task_pool import FanOut
from textclf.training import side_by_side


def main() -> None:
    config, *flags = sys.argv[1:]
    submit = FanOut.submit
    sent = list[int]()

    def counted(pool: FanOut, tasks: Sequence[Any], shared: Any = None) -> None:
        sent.append(len(tasks))
        submit(pool, tasks, shared)

    FanOut.submit = counted  # type: ignore[assignment, method-assign]
    for start, more in ((1e9, []), (-1.0, ["--promote"])):
        side_by_side._START = start
        assert job.main(["--config", config, "--json", *flags, *more]) == 0
        print(json.dumps(sent))


if __name__ == "__main__":
    main()
