"""Plain files of tables: what is there, what is not needed, and how much is read."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession

from textclf.common.logs import say
from textclf.common.secrets import first_line
from textclf.storage.delta_log import hadoop_path

PLAIN_WRITER = 2
"""Delta's writer version of tables without features beyond append-only and invariants, which can take plain files."""
_REQUESTS = 32  # in parallel
_FOR_EACH = 4  # files for a thread, at least


def missing(spark: SparkSession, places: Collection[str]) -> list[str]:
    """Return those of the paths or URLs at which there is no file."""

    def there(place: str) -> bool:
        system, path = hadoop_path(spark, place)
        return bool(system.exists(path))

    return [place for place, found in zip(places, for_each(there, places), strict=True) if not found]


def discard(spark: SparkSession, places: Collection[str]) -> None:
    """Delete files that nothing needs, at paths or URLs; those that cannot be deleted are left to VACUUM."""

    def one(place: str) -> None:
        system, path = hadoop_path(spark, place)
        system.delete(path, False)

    with tidying(f"Not all of {len(places)} files that nothing needs could be deleted"):
        for_each(one, places)


def write_new(spark: SparkSession, place: str, data: bytes) -> None:
    """Write a file at a path or URL that nothing else has; on S3 without the requests that look for the name first."""
    system, path = hadoop_path(spark, place)
    builder = system.createFile(path).recursive().overwrite(True)
    stream = builder.opt("fs.s3a.create.performance", True).build()
    try:
        stream.write(data)
    finally:
        stream.close()


@contextmanager
def tidying(failed: str) -> Iterator[None]:
    """Say an error of storage in a block that tidies up, instead of raising it: how the work ended counts more.

    Args:
        failed: What is said before the error.
    """
    try:
        yield
    except (Py4JError, OSError) as error:
        say(f"{failed}: {first_line(error)}", "warning")


def planned_bytes(rows: DataFrame) -> int:
    """Return how many bytes Spark expects to read for ``rows``: of files their size, of other inputs an upper bound."""
    plan: Any = rows._jdf.queryExecution().optimizedPlan()
    return int(str(plan.stats().sizeInBytes()))


def for_each(work: Callable[[Any], Any], values: Collection[Any]) -> list[Any]:
    """Return what ``work`` returns for each value; many at a time, because object stores take long to answer."""
    with ThreadPoolExecutor(min(_REQUESTS, -(-len(values) // _FOR_EACH) or 1)) as pool:
        return list(pool.map(work, values))
