"""A range of days: each day has its own commit and record, and no day is scored again needlessly."""

import os
import signal
from datetime import date
from typing import Any

import pytest
from pyspark.sql import functions as F

from tests.factories.artifacts import sample
from tests.points import at
from tests.scoring.scoring import ONE_MODEL, ROUTED, Scoring, values
from textclf.config import parse_pipeline
from textclf.config.identity import stored_json
from textclf.scoring import days

SCHEMA = "id long, text string, source string, ds date"
DAYS = [date(2026, 1, number) for number in range(1, 5)]
COLUMNS = ("id", "source", "ds", "label", "score", "model_digest")


def rows(*days: date, text: str = "good") -> list[tuple[Any, ...]]:
    return [(day.day * 10 + number, text, "yelp", day) for day in days for number in range(3)]


@pytest.mark.parametrize("kind", ["delta", pytest.param("parquet", marks=pytest.mark.long)])
def test_days_are_published_one_by_one_and_only_what_is_missing_is_scored(scoring: Scoring, kind: str) -> None:
    path = scoring.write(rows(*DAYS), SCHEMA, kind)
    scoring.configure(ROUTED)

    def days_from(first: str, *flags: str) -> dict[str, int]:
        assert scoring.job("--input", path, "--from", first, "--to", "2026-01-04", *flags) == 0
        found: dict[str, int] = scoring.record["details"]["days"]
        return found

    assert days_from("2026-01-03") == {"succeeded": 2, "skipped": 0}
    assert scoring.record["scored_rows"] == 6
    assert days_from("2026-01-01") == {"succeeded": 2, "skipped": 2}
    assert scoring.record["scored_rows"] == 6
    found = values(scoring.results, *COLUMNS)
    runs = scoring.rows("runs")
    of_days = runs.where("gate IS NOT NULL").select(F.get_json_object("details", "$.day").alias("day"), "scored_rows")
    assert values(of_days, "day", "scored_rows") == [(day.isoformat(), 3) for day in DAYS]
    assert runs.count() == 6  # a record for each day, one for each command

    assert days_from("2026-01-01", "--force") == {"succeeded": 4, "skipped": 0}
    assert values(scoring.results, *COLUMNS) == found

    scoring.promote(sample("yelp", seed=5))
    assert days_from("2026-01-04") == {"succeeded": 1, "skipped": 0}  # the champion has changed
    scoring.job("--input", path, "--date", "2026-01-04", "--model", "yelp@1")
    assert days_from("2026-01-04") == {"succeeded": 1, "skipped": 0}  # the day was overwritten since


def test_a_day_that_is_refused_does_not_hold_up_the_others(scoring: Scoring) -> None:
    bad = [(900 + number, None, "yelp", DAYS[1]) for number in range(20)]
    path = scoring.write([*rows(DAYS[0], DAYS[2]), *bad], SCHEMA)
    code = scoring.configure(ROUTED).job("--input", path, "--from", DAYS[0], "--to", DAYS[2])
    assert (code, scoring.record["status"]) == (4, "refused")
    assert scoring.record["details"]["days"] == {"refused": 1, "succeeded": 2, "skipped": 0}
    assert "1 of 3 days were not published" in scoring.said
    assert {row[0] for row in values(scoring.results, "ds")} == {DAYS[0], DAYS[2]}


def test_rows_that_a_stopped_run_has_staged_are_not_taken_for_those_of_another_day(scoring: Scoring) -> None:
    path = str(scoring.folder / "input")  # one file, by which the days cannot be told apart
    scoring.spark.createDataFrame(rows(*DAYS[:2]), SCHEMA).coalesce(1).write.parquet(path)
    scoring.configure(ROUTED)
    with at("staged", lambda: os.kill(os.getpid(), signal.SIGTERM)):
        assert scoring.job("--input", path, "--from", DAYS[0], "--to", DAYS[0]) == 1

    assert scoring.job("--input", path, "--from", DAYS[1], "--to", DAYS[1]) == 0, scoring.said
    assert {row[0] for row in values(scoring.results, "ds")} == {DAYS[1]}
    assert scoring.job("--input", path, "--from", DAYS[0], "--to", DAYS[1]) == 0, scoring.said
    assert scoring.record["details"]["days"] == {"skipped": 1, "succeeded": 1}
    assert values(scoring.results, "id", "ds") == [(number, day) for number, _, _, day in rows(*DAYS[:2])]
    runs = scoring.rows("runs").where("job = 'score_table' AND details LIKE '%published_run%'")
    assert runs.count() == 1  # its own day has taken them


def test_a_range_needs_a_column_of_days(scoring: Scoring) -> None:
    path = scoring.write([(1, "good")], "id long, text string")
    code = scoring.configure(ONE_MODEL).job("--input", path, "--from", DAYS[0], "--to", DAYS[2])
    assert code == 2
    assert "set date under [score]" in scoring.said


def test_how_many_sources_a_run_may_have_alters_no_rows_of_a_day() -> None:
    def about_rows(more: str) -> str:
        return days._about_rows(parse_pipeline(f'warehouse = "w"\n{ROUTED}{more}'))

    plain = about_rows("")
    assert {about_rows(f"max_sources = {most}\n") for most in (1, 1000, 5000)} == {plain}
    assert "max_sources" not in plain
    pipeline = parse_pipeline(f'warehouse = "w"\n{ROUTED}')
    assert plain == stored_json(pipeline, exclude=days._ABOUT_RUNS)  # the digest from before this key existed
    others = {
        about_rows(more) for more in ("max_text_bytes = 9\n", "half = true\n", 'id = "n"\n', "recursive = false\n")
    }
    assert len(others | {plain}) == 5
