"""Run tasks in parallel on the executors, one Spark task each, with results as they end and retries of lost tasks."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from py4j.protocol import Py4JError
from pyspark import Accumulator, AccumulatorParam, InheritableThread, SparkContext, TaskContext
from pyspark.errors import PySparkException

from textclf.errors import TextclfError
from textclf.spark.failures import lost_task
from textclf.spark.worker_gc import settle

_TRIES = 3  # a task that has lost its process this often is given up


class Task(Protocol):
    """A task that can be pickled, run on an executor and identified by its key."""

    @property
    def key(self) -> str:
        """Key of the task, which is unique among tasks."""

    def run(self, shared: Any) -> Any:
        """Run the task and return its result, which has the same key. This must not raise.

        Args:
            shared: What its job was submitted with.
        """

    def lost(self, error: str) -> Any:
        """Make the result of a task whose process ended before it did."""


class _Gathered(AccumulatorParam[list[Any]]):
    """Concatenation of lists. Spark adds the values of a task once, when it ends, however often it was tried."""

    def zero(self, value: list[Any]) -> list[Any]:  # noqa: ARG002 - Spark's signature
        return []

    def addInPlace(self, value1: list[Any], value2: list[Any]) -> list[Any]:  # noqa: N802 - Spark's name
        value1.extend(value2)
        return value1


@dataclass(frozen=True)
class _Taken:
    """What is left of a result that has been taken: a model would fill the driver's memory until the search ends."""

    key: str


@dataclass
class _Wave:
    """Results of one Spark job, and how many of them have been taken."""

    results: Accumulator[list[Any]]
    taken: int = 0

    def take(self) -> list[Any]:
        """Return the results that have come since the last call."""
        new = self.results.value[self.taken :]
        self.results.value[self.taken : self.taken + len(new)] = [_Taken(result.key) for result in new]
        self.taken += len(new)
        return new


@dataclass
class FanOut:
    """Run tasks in parallel in the Spark pool ``pool``. Use it from one thread only.

    A task that raises reveals a bug or a fault of the cluster's setup, and ends the search. A task whose process ends,
    by itself or with its executor, is tried again elsewhere: by Spark if the master allows it, otherwise in another
    job.
    """

    context: SparkContext
    pool: str
    _waves: list[_Wave] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _given_up: list[Any] = field(default_factory=list)
    _error: Exception | None = None
    _closed: bool = False

    def submit(self, tasks: Sequence[Task], shared: Any = None) -> None:
        """Start tasks in the given order, in one Spark job, and return at once.

        Args:
            shared: What all of them get, such as a broadcast: every executor that runs one of them gets it.
        """
        thread = InheritableThread(target=self._run, args=(list(tasks), shared), daemon=True)
        self._threads.append(thread)
        thread.start()

    def results(self) -> list[Any]:
        """Return the results that have come since the last call.

        Raises:
            TextclfError: A task cannot be run at all.
        """
        if self._error is not None:
            raise self._error
        found, self._given_up = self._given_up, []
        for wave in list(self._waves):
            found += wave.take()
        return found

    def running(self) -> int:
        """Return the number of tasks that are running now."""
        tracker, found = self.context.statusTracker(), 0
        for job in tracker.getJobIdsForGroup(self.pool):
            about = tracker.getJobInfo(job)
            for stage in about.stageIds if about is not None and about.status == "RUNNING" else []:
                known = tracker.getStageInfo(stage)
                found += known.numActiveTasks if known is not None else 0
        return found

    def close(self) -> None:
        """Cancel all tasks that are still running."""
        self._closed = True
        if any(thread.is_alive() for thread in self._threads):
            self.context.cancelJobGroup(self.pool)

    def _run(self, tasks: list[Task], shared: Any) -> None:
        try:
            self.context.setLocalProperty("spark.scheduler.pool", self.pool)
            name = self.context.getLocalProperty("spark.job.description") or "search"
            self.context.setJobGroup(self.pool, f"{name}, {len(tasks)} {self.pool}")
            losses: dict[str, int] = {}
            while tasks and not self._closed:
                tasks = self._attempt(tasks, shared, losses)
        except (PySparkException, Py4JError, TextclfError) as error:
            if not self._closed:
                self._error = error

    def _attempt(self, tasks: list[Task], shared: Any, losses: dict[str, int]) -> list[Task]:
        """Run tasks in one Spark job. Returns the tasks that must be tried again."""
        wave = _Wave(self.context.accumulator([], _Gathered()))
        self._waves.append(wave)
        results = wave.results

        def run(task: Task) -> None:
            context = TaskContext.get()
            tried = context.attemptNumber() if context is not None else 0
            results.add([task.lost(_gone(tried)) if tried >= _TRIES else task.run(shared)])
            settle()

        try:
            # One partition per task, so that a free slot takes the next task.
            self.context.parallelize(tasks, len(tasks)).foreach(run)
            return []
        except (PySparkException, Py4JError) as error:
            number = lost_task(error)
            if self._closed or number is None:
                raise
            done = {result.key for result in results.value}
            lost = tasks[number]
            losses[lost.key] = losses.get(lost.key, 0) + 1
            if losses[lost.key] >= _TRIES:
                self._given_up.append(lost.lost(_gone(_TRIES)))
                done.add(lost.key)
            return [task for task in tasks if task.key not in done]


def _gone(times: int) -> str:
    return f"the worker process ended {times} times while it ran this task: out of memory, or a library crashed"
