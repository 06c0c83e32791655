"""The queries of docs/manual/queries.md run unchanged in Spark and in DuckDB, with equal results."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import LongType

from textclf.runs.record import RunRecord
from textclf.storage import Location, Warehouse
from textclf.storage.conditions import EVERYTHING
from textclf.storage.schemas import CORPUS_REFUSED, TableSpec, results, results_rejects

PAGE = (Path(__file__).parents[2] / "docs/manual/queries.md").read_text(encoding="utf-8")
QUERIES = dict(re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
TABLES = ("results", "results_before", "results_rejects", "runs", "corpus_refused")
RUN = RunRecord("score_table", run_id="20260131T000000-00000000")


def row(number: int, days_ago: int, label: str, score: float, digest: str = "new") -> tuple[Any, ...]:
    ds = today() - timedelta(days=days_ago)
    return (number, "yelp", ds, label, score, None, 2, None, "yelp", digest, digest, RUN.run_id)


def challenged(given: tuple[Any, ...], label: str | None) -> tuple[Any, ...]:
    """Return the row with a challenger's label, or without a challenger."""
    return (*given, *([None] * 6 if label is None else [label, 0.75, None, "yelp", "next", "next"]))


def today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture(scope="module")
def folder(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a warehouse with two weeks of results, yesterday's results of an older model, rejects and runs."""
    root = tmp_path_factory.mktemp("queries")
    new = [
        challenged(row(1, 1, "1", 0.9), "1"),
        challenged(row(2, 1, "0", 0.6), "1"),
        challenged(row(3, 3, "1", 0.8), None),
        challenged(row(4, 9, "0", 0.7), None),
    ]
    old = [row(1, 1, "0", 0.5, "old"), row(2, 1, "0", 0.6, "old")]
    refused = [(5, "yelp", today(), "null_text", RUN.run_id), (None, None, None, "bad_date", RUN.run_id)]
    spec = results(LongType())
    contents: list[tuple[str, TableSpec, list[tuple[Any, ...]]]] = [
        ("results", results(LongType(), challenged=True), new),
        ("results_before", spec, old),
        ("results_rejects", results_rejects(LongType()), refused),
        ("corpus_refused", CORPUS_REFUSED, [("films", RUN.run_id, "f", n, "invalid_json", "{", 1) for n in (0, 1)]),
    ]
    for name, each, rows in contents:
        Location(path=f"{root}/{name}").replace(spark.createDataFrame(rows, each.schema), each, EVERYTHING)
    record = RunRecord("score_table")
    record.end("refused", "The audit refused the scored rows; nothing was published.")
    record.append(spark, Warehouse(str(root), None, f"{root}/models"))
    return root


EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "Yesterday by source": [("yelp", "0", 1), ("yelp", "1", 1)],
    "Drift week over week": [("yelp", "0", 1 / 3), ("yelp", "1", 2 / 3)],
    "Rows that changed label between model versions": [(1, "yelp", today() - timedelta(days=1))],
    "Where champion and challenger disagree": [("yelp", "0", "1", 1, pytest.approx(0.6), pytest.approx(0.75))],
    "Rows that the model is least sure of": [(2, "yelp"), (1, "yelp")],
    "What was rejected, and why": [(today(), "yelp", "null_text", 1), (None, None, "bad_date", 1)],
    "Deliveries that were refused, and what was rejected of them": [(RUN.run_id, "films", "invalid_json", 2, "{")],
    "Runs that published nothing, and why": [()],
}


def test_every_query_is_expected() -> None:
    assert QUERIES.keys() == EXPECTED.keys()


@pytest.mark.parametrize("title", EXPECTED)
def test_a_query_gives_the_same_rows_in_spark_and_duckdb(spark: SparkSession, folder: Path, title: str) -> None:
    with duckdb.connect() as duck:
        for name in TABLES:
            spark.read.format("delta").load(f"{folder}/{name}").createOrReplaceTempView(name)
            duck.register(name, deltalake.DeltaTable(f"{folder}/{name}").to_pyarrow_dataset())
        in_spark = [tuple(found) for found in spark.sql(QUERIES[title]).collect()]
        in_duckdb = duck.sql(QUERIES[title]).fetchall()
    for name in TABLES:
        spark.catalog.dropTempView(name)
    for found in (in_spark, in_duckdb):
        starts = [each[: len(wanted)] for each, wanted in zip(found, EXPECTED[title], strict=True)]
        assert sorted(starts, key=repr) == sorted(map(_approx, EXPECTED[title]), key=repr)


def _approx(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(pytest.approx(value) if isinstance(value, float) else value for value in values)
