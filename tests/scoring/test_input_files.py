"""Parquet files to score, with special folder names, subfolders and columns of any name."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.factories.artifacts import sample
from tests.factories.corpora import source_toml
from tests.factories.parquet_columns import odd_types
from tests.scoring.scoring import Scoring, values
from textclf.errors import InputError
from textclf.scoring.input.table import day_digests, open_input

DAY = date(2026, 1, 5)


def write(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, version="2.6")


def configure(scoring: Scoring, *keys: str, model: bool = False) -> None:
    body = ['model = "yelp"'] if model else ['source = "source"']
    scoring.configure(source_toml("yelp") + "[score]\n" + "\n".join([*body, *keys]) + "\n")


def promote(scoring: Scoring, *names: str) -> None:
    for name in names:
        scoring.promote(sample(name))


def test_folders_names_subfolders_and_odd_columns_reach_the_results(spark: SparkSession, scoring: Scoring) -> None:
    promote(scoring, "007")
    root = scoring.folder / "input {1}"
    columns: dict[str, Any] = {"_metadata": ["good"], "row.id": [1], **odd_types()}
    write(root / "ds=2026-01-05" / "source=007" / "a.parquet", **columns)
    write(root / "ds=2026-01-05" / "source=yelp" / "more" / "a.parquet", **columns)
    write(root / "ds=2026-01-06" / "source=007" / "a.parquet", **columns)
    (root / "ds=2026-01-06" / "source=007" / "b.parquet").write_text("no Parquet: of another day, never opened")
    (root / "_left").mkdir()
    configure(scoring, 'date = "ds"', 'id = "row.id"', 'text = "_metadata"')
    run = scoring.score(root, day=DAY)
    assert run.details["skipped"] == {"files": 0, "folders": 1, "names": ("_left/",)}
    assert values(scoring.results, "id", "source", "ds", "label") == [
        (1, "007", DAY, "1"), (1, "yelp", DAY, "1"),
    ]  # fmt: skip
    opened = open_input(spark, str(root), scoring.pipeline.score)
    assert opened.columns[:2] == ("_metadata", "row.id")
    digests = day_digests(opened, opened.day("ds"), DAY, DAY)
    assert digests is not None
    assert set(digests) == {DAY}


def test_sources_that_were_inferred_are_kept_or_moved_by_a_key(spark: SparkSession, scoring: Scoring) -> None:
    promote(scoring, "7", "007", "12")
    root = scoring.folder / "input"
    for source in ("007", "12"):
        write(root / f"source={source}" / "a.parquet", id=[1], text=["good"])

    def sources(*keys: str) -> list[str]:
        configure(scoring, *keys)
        scoring.score(root, day=DAY)
        return [row[0] for row in values(scoring.results, "source")]

    assert sources('partition_types = "inferred"') == ["12", "7"]
    with pytest.raises(InputError, match="Sources would be published again") as caught:
        sources()
    assert "source=007, which was 7" in str(caught.value)
    assert 'partition_types = "inferred"' in str(caught.value)
    moves = re.findall(r"UPDATE .*? WHERE source IN \([^)]*\)", str(caught.value))
    place = f"delta.`{scoring.folder}/warehouse/results`"
    assert moves == [f"UPDATE {place} SET source = CASE source WHEN '7' THEN '007' END WHERE source IN ('7')"]
    assert sources('partition_types = "inferred"') == ["12", "7"]
    spark.sql(moves[0])
    assert sources() == ["007", "12"]


def test_sources_that_are_written_as_they_were_read_go_on(scoring: Scoring) -> None:
    promote(scoring, "7", "12")
    for source in ("7", "12"):
        write(scoring.folder / "input" / f"source={source}" / "a.parquet", id=[1], text=["good"])
    for keys in (('partition_types = "inferred"',), ()):
        configure(scoring, *keys)
        scoring.score(scoring.folder / "input", day=DAY)
        assert values(scoring.results, "source") == [("12",), ("7",)]


def test_ids_from_folders_are_texts_unless_numbers_are_published(scoring: Scoring) -> None:
    root = scoring.folder / "input"
    for number in ("1", "20"):
        write(root / f"id={number}" / "a.parquet", text=["good"])

    def ids(*keys: str) -> list[Any]:
        configure(scoring, *keys, model=True)
        scoring.score(root, day=DAY)
        return [row[0] for row in values(scoring.results, "id")]

    assert ids('partition_types = "inferred"') == [1, 20]
    assert ids() == [1, 20]
    write(root / "id=0003" / "a.parquet", text=["good"])
    with pytest.raises(InputError, match="Ids would be published again in another form") as caught:
        ids()
    assert "id=0003" in str(caught.value)
    assert ids('partition_types = "inferred"') == [1, 20, 3]


def test_ids_from_folders_are_texts(scoring: Scoring) -> None:
    for number in ("0001", "20"):
        write(scoring.folder / "input" / f"id={number}" / "a.parquet", text=["good"])
    configure(scoring, model=True)
    scoring.score(scoring.folder / "input", day=DAY)
    assert values(scoring.results, "id") == [("0001",), ("20",)]
