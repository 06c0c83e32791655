"""Names for what Spark does: in its web page and history every job says which step and source it is of."""

import contextvars
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession

from textclf.common.logs import context, within

P = ParamSpec("P")
R = TypeVar("R")
_PROPERTY = "spark.job.description"
_NAMED = 3  # sources that a name tells before it counts the others


@contextmanager
def described(
    spark: SparkSession, step: str | None = None, *, source: str | None = None, day: object = None
) -> Iterator[None]:
    """Name the Spark jobs that this thread begins within, and what is said within, by job, step, source and day.

    A thread of a pool inherits no name: what it does is named in it.
    """
    sc = spark.sparkContext
    before = sc.getLocalProperty(_PROPERTY)
    with within(step=step, source=source, day=day):
        sc.setJobDescription(describe())
        try:
            yield
        finally:
            sc.setLocalProperty(_PROPERTY, before)  # type: ignore[arg-type]  # None takes it away


def carried(spark: SparkSession, work: Callable[P, R]) -> Callable[P, R]:
    """The work as this thread would do it, for a thread of a pool: under the name that Spark's jobs have here."""
    known = contextvars.copy_context()
    inherited: Callable[P, R] = inheritable_thread_target(spark)(work)

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return known.copy().run(inherited, *args, **kwargs)

    return run


def together(sources: Iterable[str]) -> str:
    """Several sources as the one that a name is of: what Spark does for all of them at once is of each.

    Example:
        >>> together(["yelp", "imdb"]), together(["a", "b", "c", "d", "e"])
        ('yelp, imdb', 'a, b, c and 2 more')
    """
    names = list(sources)
    left = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {left} more" if left > 0 else "")


def describe() -> str:
    """What runs now, as Spark's web page shows it: ``nightly 20260131T...: score, yelp, 2026-01-31``."""
    known = context()
    parts = [known[name] for name in ("step", "source", "day") if name in known]
    name = f"{known.get('job', 'textclf')} {known.get('run_id', '')}".strip()
    return f"{name}: {', '.join(parts)}" if parts else name
