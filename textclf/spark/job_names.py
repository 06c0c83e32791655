"""Descriptions of Spark jobs, so that Spark's web UI and history show the step and source of each job."""

import contextvars
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

from py4j.protocol import Py4JError
from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession

from textclf.common.logs import context, within

P = ParamSpec("P")
R = TypeVar("R")
_PROPERTY = "spark.job.description"
_NAMED = 3  # sources that a description names before it counts the others


@contextmanager
def described(
    spark: SparkSession, step: str | None = None, *, source: str | None = None, day: object = None
) -> Iterator[None]:
    """Describe this thread's Spark jobs and log messages inside the block by job, step, source and day.

    Threads of a pool do not inherit the description: use this inside them, or see ``carried``.
    """
    sc = spark.sparkContext
    before = sc.getLocalProperty(_PROPERTY)
    with within(step=step, source=source, day=day):
        sc.setJobDescription(describe())
        try:
            yield
        finally:
            with suppress(Py4JError, OSError):  # the JVM may be gone; what was raised says so
                sc.setLocalProperty(_PROPERTY, before)  # type: ignore[arg-type]  # None removes it


def carried(spark: SparkSession, work: Callable[P, R]) -> Callable[P, R]:
    """Wrap ``work`` for a thread of a pool so that it keeps this thread's context and job description."""
    known = contextvars.copy_context()
    inherited: Callable[P, R] = inheritable_thread_target(spark)(work)

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return known.copy().run(inherited, *args, **kwargs)

    return run


def together(sources: Iterable[str]) -> str:
    """Join the names of sources for a job that serves all of them at once.

    Example:
        >>> together(["yelp", "imdb"]), together(["a", "b", "c", "d", "e"])
        ('yelp, imdb', 'a, b, c and 2 more')
    """
    names = list(sources)
    left = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {left} more" if left > 0 else "")


def describe() -> str:
    """Return the description of what runs now for Spark's web UI: ``nightly 20260131T...: score, yelp, 2026-01-31``."""
    known = context()
    parts = [known[name] for name in ("step", "source", "day") if name in known]
    name = f"{known.get('job', 'textclf')} {known.get('run_id', '')}".strip()
    return f"{name}: {', '.join(parts)}" if parts else name
