"""Distributions of a run: those that the driver counts are those that Spark counts."""

import random
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from textclf.report.run import counted_here as counting
from textclf.report.run.distributions import distributions
from textclf.storage import Location

_SCHEMA = "run_id string, source string, ds date, label string, score double"


@pytest.mark.parametrize(("seed", "partitions"), [(0, []), (1, ["ds", "source"]), (2, ["ds"])])
def test_the_driver_counts_as_spark_does(spark: SparkSession, tmp_path: Path, seed: int, partitions: list[str]) -> None:
    rng, place = random.Random(seed), Location(str(tmp_path / "results"))
    edges = [0.0, 1.0, 0.5, 0.05, 1 / 3, 0.9999999999999999, *(each / 20 for each in range(21))]
    rows = [
        (
            rng.choice(["now", "old", "older", None]),
            rng.choice(["a", "b", None]),
            rng.choice([None, *(date(2026, 1, day) for day in (1, 2, 8, 9, 14, 16, 17))]),
            rng.choice(["x", "y"]),
            rng.choice([rng.random(), rng.choice(edges)]),
        )
        for _ in range(400)
    ]
    rows = [row for row in rows if row[0] != "now" or row[2] is None or row[2] > date(2026, 1, 14)]
    table = spark.createDataFrame(rows, _SCHEMA).coalesce(1)
    table.write.format("delta").partitionBy(partitions).save(str(place))
    run = {"rows_of": "now", "scored_rows": 0, "gate": {}}
    counts = counting.counted_here(spark, place)
    assert counts is not None
    here = distributions(place.read(spark), run, counts)
    there = distributions(place.read(spark), run)
    assert here[0] == there[0] > 0
    for ours, sparks in zip(here[1:], there[1:], strict=True):
        assert sparks
        assert ours.keys() == sparks.keys()
        for source, one in ours.items():
            other = sparks[source]
            assert (one.labels, one.bins, one.days) == (other.labels, other.bins, other.days)
            assert one.score_sum == pytest.approx(other.score_sum)


@pytest.mark.parametrize("score", [None, float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_left_to_spark(spark: SparkSession, tmp_path: Path, score: float | None) -> None:
    place = Location(str(tmp_path / "results"))
    rows = [("now", "a", date(2026, 1, 1), "x", each) for each in (0.5, score)]
    spark.createDataFrame(rows, _SCHEMA).write.format("delta").save(str(place))
    assert counting.counted_here(spark, place) is None


def test_no_rows_have_no_counts(spark: SparkSession, tmp_path: Path) -> None:
    place = Location(str(tmp_path / "results"))
    assert counting.counted_here(spark, place) is None
    spark.createDataFrame([], _SCHEMA).write.format("delta").save(str(place))
    assert counting.counted_here(spark, place) == []
