"""Of all that write one commit, one succeeds, and what it wrote stays: on a local disk and on S3."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from textclf.spark.companion import LOG_STORE, SCHEMES

WRITERS, COMMITS = 6, 40


@pytest.fixture
def store(spark: SparkSession) -> Any:
    jvm: Any = spark._jvm
    return jvm.textclf.CreateOnceLogStore(spark._jsparkSession.sessionState().newHadoopConf())


def write(spark: SparkSession, store: Any, path: str, lines: list[str], overwrite: bool = False) -> bool:
    jvm: Any = spark._jvm
    hadoop = spark._jsparkSession.sessionState().newHadoopConf()
    try:
        store.write(jvm.org.apache.hadoop.fs.Path(path), jvm.java.util.ArrayList(lines).iterator(), overwrite, hadoop)
    except Py4JJavaError as error:
        if error.java_exception.getClass().getName() != "java.nio.file.FileAlreadyExistsException":
            raise
        return False
    return True


def test_sessions_use_it_where_delta_would_look_first_and_write_then(spark: SparkSession) -> None:
    for scheme in SCHEMES:
        assert spark.sparkContext.getConf().get(f"spark.delta.logStore.{scheme}.impl") == LOG_STORE


def test_one_writer_of_each_commit_succeeds(spark: SparkSession, store: Any, tmp_path: Path) -> None:
    """With Delta's own class for local disks, several writers of one commit succeed."""
    barrier = Barrier(WRITERS)

    def run(writer: int) -> Iterator[tuple[int, int]]:
        won = []
        for number in range(COMMITS):
            barrier.wait()
            if write(spark, store, f"file:{tmp_path}/{number:020d}.json", [f"{writer}", "é"]):
                won.append((number, writer))
        return iter(won)

    with ThreadPoolExecutor(WRITERS) as pool:
        won = [pair for each in pool.map(run, range(WRITERS)) for pair in each]
    assert sorted(number for number, _ in won) == list(range(COMMITS))
    for number, writer in won:
        assert (tmp_path / f"{number:020d}.json").read_text(encoding="utf-8") == f"{writer}\né\n"
    assert len(list(tmp_path.iterdir())) == COMMITS  # nothing half-written is left


def test_what_may_be_replaced_is(spark: SparkSession, store: Any, tmp_path: Path) -> None:
    path = f"file:{tmp_path}/_last_checkpoint"
    assert write(spark, store, path, ["first"], overwrite=True)
    assert write(spark, store, path, ["second"], overwrite=True)
    assert (tmp_path / "_last_checkpoint").read_text() == "second\n"
    assert not write(spark, store, path, ["third"])


def test_a_checkpoint_on_a_disk_is_written_aside_where_readers_do_not_see_half_of_it(
    spark: SparkSession, store: Any, tmp_path: Path
) -> None:
    jvm: Any = spark._jvm
    hadoop = spark._jsparkSession.sessionState().newHadoopConf()
    assert store.isPartialWriteVisible(jvm.org.apache.hadoop.fs.Path(f"file:{tmp_path}"), hadoop)
