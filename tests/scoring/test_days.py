"""A range of days: each its own commit and record, and nothing is scored twice without need."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs import score_table as job
from tests.factories.artifacts import sample
from tests.scoring.passes import ONE_MODEL, ROUTED, table, values
from textclf.artifact import ModelStore
from textclf.config import load_pipeline, parse_pipeline
from textclf.config.identity import stored_json
from textclf.scoring import days
from textclf.storage import Warehouse

RunJob = Callable[..., tuple[int, dict[str, Any], str]]
SCHEMA = "id long, text string, source string, ds date"
DAYS = [date(2026, 1, number) for number in range(1, 5)]
COLUMNS = ("id", "source", "ds", "label", "score", "model_digest")


@pytest.fixture
def config(store: ModelStore, write_config: Callable[[str], Path]) -> Path:
    return write_config(ROUTED)


def rows(*days: date, text: str = "good") -> list[tuple[Any, ...]]:
    return [(day.day * 10 + number, text, "yelp", day) for day in days for number in range(3)]


@pytest.mark.parametrize("kind", ["delta", pytest.param("parquet", marks=pytest.mark.long)])
def test_days_are_published_one_by_one_and_only_what_is_missing_is_scored(
    spark: SparkSession, config: Path, run_job: RunJob, write: Callable[..., str], store: ModelStore, kind: str
) -> None:
    path = write(rows(*DAYS), SCHEMA, kind)
    command = ("--config", config, "--input", path, "--to", "2026-01-04")
    code, record, _ = run_job(job, *command, "--from", "2026-01-03")
    assert (code, record["scored_rows"], record["details"]["days"]) == (0, 6, {"succeeded": 2, "skipped": 0})

    code, record, _ = run_job(job, *command, "--from", "2026-01-01")
    assert (code, record["scored_rows"], record["details"]["days"]) == (0, 6, {"succeeded": 2, "skipped": 2})
    pipeline = load_pipeline(config)
    found = values(table(spark, pipeline), *COLUMNS)
    runs = Warehouse.of(pipeline).location("runs").read(spark)
    of_days = runs.where("gate IS NOT NULL").select(F.get_json_object("details", "$.day").alias("day"), "scored_rows")
    assert values(of_days, "day", "scored_rows") == [(day.isoformat(), 3) for day in DAYS]
    assert runs.count() == 6  # a record for each day, one for each command

    code, record, _ = run_job(job, *command, "--from", "2026-01-01", "--force")
    assert record["details"]["days"] == {"succeeded": 4, "skipped": 0}
    assert values(table(spark, pipeline), *COLUMNS) == found

    store.promote("yelp", store.save(sample("yelp", seed=5)).manifest.version)
    code, record, _ = run_job(job, *command, "--from", "2026-01-04")
    assert record["details"]["days"] == {"succeeded": 1, "skipped": 0}  # another model, other rows
    code, record, _ = run_job(job, "--config", config, "--input", path, "--date", "2026-01-04", "--model", "yelp@1")
    code, record, _ = run_job(job, *command, "--from", "2026-01-04")
    assert record["details"]["days"] == {"succeeded": 1, "skipped": 0}  # the day was written over since


def test_a_day_that_is_refused_does_not_hold_up_the_others(
    spark: SparkSession, config: Path, run_job: RunJob, write: Callable[..., str]
) -> None:
    bad = [(900 + number, None, "yelp", DAYS[1]) for number in range(20)]
    path = write([*rows(DAYS[0], DAYS[2]), *bad], SCHEMA)
    code, record, said = run_job(job, "--config", config, "--input", path, "--from", DAYS[0], "--to", DAYS[2])
    assert (code, record["status"]) == (4, "refused")
    assert record["details"]["days"] == {"refused": 1, "succeeded": 2, "skipped": 0}
    assert "1 of 3 days were not published" in said
    assert {row[0] for row in values(table(spark, load_pipeline(config)), "ds")} == {DAYS[0], DAYS[2]}


def test_a_range_needs_a_column_of_days(
    store: ModelStore, run_job: RunJob, write_config: Callable[[str], Path], write: Callable[..., str]
) -> None:
    path = write([(1, "good")], "id long, text string")
    config = write_config(ONE_MODEL)
    code, _, said = run_job(job, "--config", config, "--input", path, "--from", DAYS[0], "--to", DAYS[2])
    assert code == 2
    assert "set date under [score]" in said


def test_how_many_sources_a_run_may_have_alters_no_rows_of_a_day() -> None:
    def about_rows(more: str) -> str:
        return days._about_rows(parse_pipeline(f'warehouse = "w"\n{ROUTED}{more}'))

    plain = about_rows("")
    assert {about_rows(f"max_sources = {most}\n") for most in (1, 1000, 5000)} == {plain}
    assert "max_sources" not in plain
    pipeline = parse_pipeline(f'warehouse = "w"\n{ROUTED}')
    assert plain == stored_json(pipeline, exclude=days._ABOUT_RUNS)  # as before the key was there
    others = {
        about_rows(more) for more in ("max_text_bytes = 9\n", "half = true\n", 'id = "n"\n', "recursive = false\n")
    }
    assert len(others | {plain}) == 5
