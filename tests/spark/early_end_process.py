"""Run queries that need only the first rows from the workers, and a task that fails; print "done"."""

from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.errors import PySparkException

from textclf.spark import open_session
from textclf.storage.worker_files import arrow_codec


def many(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield each batch a hundred times; like PySpark's own converters, it does not handle an early end."""
    arrow_codec("none")
    for batch in batches:
        yield from [batch] * 100


def failing(batches: Iterator[Any]) -> Iterator[Any]:
    arrow_codec("x")
    return iter([1 / 0])


def main() -> None:
    spark = open_session("early", {"spark.master": "local[2]", "spark.ui.showConsoleProgress": "false"})
    rows = spark.range(20000).repartition(2)
    for _ in range(3):
        assert len(rows.mapInArrow(many, "id long").limit(5).collect()) == 5
        assert not rows.limit(40).mapInArrow(many, "id long").isEmpty()
    with pytest.raises(PySparkException, match="ZeroDivisionError"):  # the error still reaches the driver
        rows.mapInArrow(failing, "id long").count()
    print("done")


if __name__ == "__main__":
    main()
