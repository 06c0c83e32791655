"""What one step could leave behind for the next one in the same session and process."""

import os
import re
import signal
import threading
from typing import Any

from pyspark.sql import SparkSession

from textclf.chain.progress import Progress
from textclf.common import logs
from textclf.spark import cancellation
from textclf.storage import run_points

_DELTAS = "Delta Table State"
"""Names of what Delta caches of the logs of tables, by version: it is the same for every step."""
_DELTAS_COMMIT = "spark.databricks.delta.lastCommitVersionInSession"
"""Setting in which Delta notes what it has committed."""
_RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
_SPARKS_SHUFFLE = "__fetch_continuous_blocks_in_batch_enabled"
"""Set by each of Spark's shuffles that is planned in the thread of its caller, to what the session's setting says."""
_OF_PROCESS = {"KERAS_BACKEND", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"}
"""Variables that a process sets once, to the value that every step of a pipeline file would set: Keras' by us, those of
OpenMP by scikit-learn when it is imported, which a test before this one may have done or not."""


def session_state(spark: SparkSession) -> dict[str, Any]:
    """Return settings, views, caches, checkpoints, properties, and the state of cancellation."""
    context = spark.sparkContext
    java: Any = context._jsc
    cached = [str(rdd.name()) for rdd in java.getPersistentRDDs().values()]
    properties = java.sc().getLocalProperties()
    # Not by the catalog's list, which fails if the table of another test has lost its folder.
    views = [*spark.sql("SHOW VIEWS").collect(), *spark.sql("SHOW VIEWS IN global_temp").collect()]
    return {
        "settings": {name: value for name, value in spark.conf.getAll.items() if name != _DELTAS_COMMIT},
        "session": spark._jsparkSession.sessionUUID(),
        "views": sorted(view["viewName"] for view in views if view["isTemporary"]),
        "cached": sorted(name for name in cached if _DELTAS not in name),
        "checkpoints": context.getCheckpointDir(),
        "streams": len(spark.streams.active),
        "properties": {
            str(name): _RUN_ID.sub("RUN_ID", str(properties.getProperty(name)))
            for name in properties.stringPropertyNames()
            if name != _SPARKS_SHUFFLE
        },
        "cancelled": (cancellation.asked(), list(cancellation._cancelling)),
        "handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "listeners": list(run_points._listeners),
        "messages": {name: value for name, value in logs.context().items() if name != "run_id"},
        "threads": sorted(thread.name for thread in threading.enumerate() if not thread.daemon),
        "variables": {name: value for name, value in os.environ.items() if name not in _OF_PROCESS},
        "folder": os.getcwd(),
    }


Seen = list[tuple[str, dict[str, Any]]]
"""State of a session by the moment at which it was looked at."""


class Watched(Progress):
    """Progress that looks at the session before and after each step.

    Attributes:
        spark: Session of all chains that are watched.
        seen: State of the session before and after each step of these chains.
    """

    spark: SparkSession
    seen: Seen

    def begin(self, step: str) -> None:
        self.seen.append((f"before {step}", session_state(self.spark)))
        super().begin(step)

    def end(self, state: str, why: str | None = None) -> None:
        super().end(state, why)
        self.seen.append((f"after {self.steps[-1]['step']}, {state}", session_state(self.spark)))


def assert_nothing_is_left(seen: Seen) -> None:
    """Assert that the session is before and after each step as it was before the first one.

    A step that was asked to stop leaves the request to the end of its run; it is gone before the next run.
    """
    for when, state in seen:
        if not (state["cancelled"][0] and when.startswith("after")):
            changed = {name for name, value in state.items() if value != seen[0][1][name]}
            assert not changed, (when, {name: (seen[0][1][name], state[name]) for name in changed})
