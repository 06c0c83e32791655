"""A session that reads, runs Python on workers and writes a Delta table; prints "done" and what its JVM lacks."""

import sys
from collections.abc import Iterator
from typing import Any

from textclf.spark import open_session


def same(batches: Iterator[Any]) -> Iterator[Any]:
    yield from batches


def main() -> None:
    spark = open_session("quiet", {"spark.master": "local[2]"})
    rows = spark.range(1000).mapInArrow(same, "id long")
    rows.write.format("delta").save(sys.argv[1])
    assert spark.read.format("delta").load(sys.argv[1]).count() == 1000
    jvm: Any = spark._jvm
    print("done", jvm.java.lang.System.getProperty("jdk.module.addmods.0"))


if __name__ == "__main__":
    main()
