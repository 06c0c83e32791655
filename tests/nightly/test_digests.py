"""What tells that a source or a day has changed."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.nightly.days import STEADY, write_day
from textclf.config import Source
from textclf.corpus.ingest import fingerprints
from textclf.errors import InputError
from textclf.scoring.inputs import day_digests, open_input

DAYS = [date(2026, 1, number) for number in (5, 6, 7)]


def source(path: Path, **other: object) -> Source:
    return Source.model_validate({"name": "s", "path": str(path), "format": "jsonl"} | other)


def test_a_source_is_new_when_a_file_or_its_section_is(spark: SparkSession, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "good", "label": "1"}\n')

    def now(**other: object) -> str:
        return fingerprints(spark, [source(folder, **other)])["s"]

    seen = [now()]
    assert now() == seen[0]
    changes: list[Callable[[], object]] = [
        lambda: (folder / "b.jsonl").write_text('{"text": "bad", "label": "0"}\n'),
        lambda: (folder / "b.jsonl").write_text('{"text": "worse", "label": "0"}\n'),
        lambda: os.utime(folder / "b.jsonl", (0, 0)),
        lambda: (folder / "a.jsonl").unlink(),
    ]
    for change in changes:
        change()
        seen.append(now())
    seen.append(now(labels=["0", "1"]))
    assert len(set(seen)) == len(seen)

    with pytest.raises(InputError, match="Source s cannot be read"):
        fingerprints(spark, [source(tmp_path / "none")])


def test_a_delta_source_is_known_by_its_version(spark: SparkSession, tmp_path: Path) -> None:
    def commit() -> str:
        rows = spark.createDataFrame([("good", "1")], "text string, label string").coalesce(1)
        rows.write.format("delta").mode("append").save(str(tmp_path / "s"))
        return fingerprints(spark, [source(tmp_path / "s", format="delta")])["s"]

    assert commit() != commit()


@pytest.mark.parametrize("kind", ["delta", "parquet"])
def test_a_day_changes_alone(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "input"
    for day in DAYS[:2]:
        write_day(spark, path, day, STEADY, kind)

    def now() -> dict[date, str]:
        table = open_input(spark, str(path))
        found = day_digests(table, table.day("ds"), DAYS[0], DAYS[-1])
        assert found is not None
        return found

    before = now()
    assert set(before) == set(DAYS[:2])
    assert now() == before
    write_day(spark, path, DAYS[2], STEADY, kind)
    assert {day: now()[day] for day in DAYS[:2]} == before
    write_day(spark, path, DAYS[0], {"shop": 0.6}, kind)
    after = now()
    assert after[DAYS[0]] != before[DAYS[0]]
    assert after[DAYS[1]] == before[DAYS[1]]


def test_a_view_does_not_tell(spark: SparkSession) -> None:
    spark.sql("CREATE OR REPLACE TEMP VIEW some_texts AS SELECT 1 AS id, 'good' AS text, DATE '2026-01-05' AS ds")
    table = open_input(spark, "some_texts")
    assert day_digests(table, table.day("ds"), DAYS[0], DAYS[-1]) is None
    spark.catalog.dropTempView("some_texts")
