"""Steps of a run that show Spark's progress: its tasks, and the rows that workers have counted."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark import Accumulator, AccumulatorParam, SparkContext
from pyspark.sql import SparkSession

from textclf.common import console

_PAUSE = 0.5  # seconds between two looks at the running stages


@contextmanager
def spark_step(
    spark: SparkSession, name: str, *, unit: str = "rows", one_stage: bool = False
) -> Iterator[console.Step]:
    """Show a step of the run, as ``console.step``, and on its line the tasks of the Spark stages that run now.

    Args:
        spark: Session whose stages are shown.
        name: Name of the step.
        unit: What is counted, in the plural.
        one_stage: Whether one Spark stage does nearly all of the step, so that its tasks tell the time left.

    Yields:
        The step.
    """
    with console.step(name, unit=unit) as step:
        step.one_stage = step.one_stage or one_stage
        if not step.shown:  # there is no line to show them
            yield step
            return
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(spark.sparkContext, step, ended), daemon=True)
        watcher.start()
        try:
            yield step
        finally:
            ended.set()
            watcher.join()
            step.watch(None)


def _watch(context: SparkContext, step: console.Step, ended: threading.Event) -> None:
    tracker = context.statusTracker()
    while not ended.wait(_PAUSE):
        try:
            found = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        except (Py4JError, OSError):  # the JVM has ended; the step's own work says so
            return
        stages = [each for each in found if each is not None and each.numActiveTasks]
        tasks = sum(each.numCompletedTasks for each in stages), sum(each.numTasks for each in stages)
        # The tasks of steps side by side cannot be told apart.
        step.watch(tasks if stages and console.alone(step) else None)


class _Count(AccumulatorParam[int]):
    """Sum that the driver hears of whenever a task has ended."""

    def __init__(self, on_progress: Callable[[int], None] | None = None) -> None:
        self._on_progress = on_progress

    def __reduce__(self) -> tuple[type["_Count"], tuple[()]]:
        return _Count, ()  # workers only add

    def zero(self, value: int) -> int:  # noqa: ARG002 - Spark's signature
        return 0

    def addInPlace(self, value1: int, value2: int) -> int:  # noqa: N802 - Spark's name
        if self._on_progress is not None:
            self._on_progress(value1 + value2)
        return value1 + value2


def row_counter(context: SparkContext, step: console.Step) -> Accumulator[int] | None:
    """Make an accumulator into which workers count rows for a step's line; None if it has no line.

    The rows of a task are known when it has ended; those of a task that runs twice are counted twice.
    """
    return context.accumulator(0, _Count(step.update)) if step.shown else None
