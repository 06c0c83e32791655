"""Spark's progress on the line of a step: tasks of the running stages, and rows that workers have counted."""

import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.factories.terminals import terminal_here
from textclf.common import console
from textclf.spark.progress import row_counter, spark_step


def slow(rows: Iterable[int]) -> Iterator[int]:
    found = list(rows)
    time.sleep(1.6)
    return iter(found)


def let_through(step: console.Step, folder: Path) -> None:
    """Let two tasks after the other go on, each two once what is known before them has been on the line for a while."""
    for wave in range(3):
        while (step.done or 0, step.tasks) != (20 * wave, (2 * wave, 6)):
            time.sleep(0.05)
        time.sleep(1)  # longer than the line waits to be drawn again
        (folder / str(wave)).touch()


def test_a_line_shows_tasks_and_then_rows_with_the_time_left(spark: SparkSession, tmp_path: Path) -> None:
    context = spark.sparkContext
    with (
        terminal_here() as sessions,
        spark_step(spark, "score", one_stage=True) as step,
        ThreadPoolExecutor(1) as other,
    ):
        seen = row_counter(context, step)
        assert seen is not None

        def work(rows: Iterable[int]) -> Iterator[int]:
            for row in rows:
                while not (tmp_path / str(row // 20)).exists():
                    time.sleep(0.05)
                seen.add(1)
                yield row

        done = other.submit(let_through, step, tmp_path)
        assert context.parallelize(range(60), 6).mapPartitions(work).count() == 60
        done.result()
        assert step.done == 60

    (session,) = sessions
    assert any(re.search(r"score +0 of 6 tasks  0:", line) for line in session.drawn), session.drawn
    form = r"score +(20|40) rows  \d of 6 tasks  [\d.]+ rows/s  0:\d\d left$"
    assert any(re.search(form, line) for line in session.drawn), session.drawn
    assert re.fullmatch(r"✓ score +60 rows  [\d.]+ s", session.shown[-1])


def test_steps_side_by_side_do_not_claim_each_others_tasks(spark: SparkSession) -> None:
    with terminal_here() as sessions, console.step("days"), console.step("2026-01-31"):
        outer = console.Step("2026-02-01", depth=1)
        console._show(outer)
        with spark_step(spark, "2026-01-31"):
            spark.sparkContext.parallelize(range(4), 2).mapPartitions(slow).count()
        console._hide(outer)
    assert not any("tasks" in line for line in sessions[0].drawn)


def test_without_a_terminal_nothing_is_watched_or_counted(
    spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    with spark_step(spark, "score") as step:
        assert row_counter(spark.sparkContext, step) is None
        spark.sparkContext.parallelize(range(4), 2).mapPartitions(slow).count()
        assert step.tasks is None
    assert capsys.readouterr().err == ""
