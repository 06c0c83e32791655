"""Single nights: their exit codes and records, and nights that search."""

import json
from datetime import timedelta

import pytest
from pyspark.sql import functions as F

from tests.nightly.days import ROWS, write_labelled
from tests.nightly.week import MONDAY, Week
from textclf.chain.rules import STEPS
from textclf.storage.leases.locks import NIGHTLY, locked


def searching(week: Week) -> None:
    """Make nights search with two candidates and two folds instead of training."""
    text = week.config.read_text().replace('build = "train"', 'build = "search"')
    week.config.write_text(text.replace("[score]", 'strategy = "grid"\nfolds = 2\nspace.C = [0.1, 1.0]\n[score]'))


def trials(week: Week) -> dict[str, tuple[int, int]]:
    """Return the numbers of searches and of succeeded trials by source."""
    rows = week.warehouse.location("trials").read(week.spark).where("status = 'succeeded'").groupBy("source")
    found = rows.agg(F.count_distinct("search_id"), F.count("*")).collect()
    return {source: (searches, count) for source, searches, count in found}


@pytest.mark.long
def test_a_night_searches_where_the_rule_says_so_and_nowhere_else(week: Week) -> None:
    searching(week)

    assert week.night(week.day(1)) == 0, week.said
    assert week.did(*STEPS)
    assert week.versions() == {"shop": "1", "films": "1"}
    assert trials(week) == {"shop": (1, 4), "films": (1, 4)}
    assert week.published() == {MONDAY: (2 * ROWS, 1, ROWS)}

    assert week.night(week.day(2)) == 0, week.said
    assert week.did("score", "report")

    write_labelled(week.folder / "films.tsv", 150)
    assert week.night(week.day(3)) == 0, week.said
    assert week.did(*STEPS)
    assert "corpus grew by 50.0%" in week.plan("models", "films")
    assert week.versions() == {"shop": "1", "films": "2"}
    assert week.runs()["search_models succeeded"] == 2
    assert trials(week) == {"shop": (1, 4), "films": (2, 8)}


@pytest.mark.long
def test_a_night_without_rows_ends_with_3_and_is_taken_up_when_they_come(week: Week) -> None:
    assert week.night(week.day(1)) == 0, week.said
    second = MONDAY + timedelta(days=1)

    assert week.night(second) == 3
    assert (week.status["state"], week.status["exit_code"]) == ("failed", 3)
    assert "no row of 2026-01-06" in week.said
    assert "run again when they have arrived" in week.said
    assert week.runs()["nightly failed"] == 1

    week.day(2)
    assert week.night(week.day(3)) == 0, week.said
    assert week.did("score", "report")
    assert sorted(week.published()) == [MONDAY + timedelta(days=number) for number in range(3)]


@pytest.mark.long
def test_a_source_that_is_gone_ends_the_night_with_3_after_its_day_is_scored(week: Week) -> None:
    assert week.night(week.day(1)) == 0, week.said
    (week.folder / "films.tsv").unlink()

    assert week.night(week.day(2)) == 3
    assert "films.tsv" in week.said
    states = {step["step"]: step["state"] for step in week.status["steps"]}
    assert (states["ingest"], states["score"], states["report"]) == ("failed", "done", "done")
    assert week.published()[MONDAY + timedelta(days=1)] == (2 * ROWS, 1, ROWS)


@pytest.mark.long
def test_a_refused_delivery_ends_the_night_with_3_after_all_that_can_be_done(week: Week) -> None:
    week.config.write_text(week.config.read_text() + f'[metrics]\nfile = "{week.folder}/{{job}}.prom"\n')
    assert week.night(week.day(1)) == 0, week.said
    (week.folder / "films.tsv").write_bytes(b"a text without a label\n" * 60)
    write_labelled(week.folder / "shop.tsv", 150)
    second = week.day(2)

    assert week.night(second) == 3
    assert (week.record["status"], week.status["state"], week.status["exit_code"]) == ("failed", "failed", 3)
    states = {step["step"]: step["state"] for step in week.status["steps"]}
    assert states == {"ingest": "failed", "vocabulary": "done", "models": "done", "score": "done", "report": "done"}
    assert list(week.status["steps"][0]["refused"]) == list(week.record["details"]["refused"]) == ["films"]
    assert "this delivery is refused, the corpus keeps its 100 records" in week.status["error"]
    assert "version 1" in week.plan("models", "films")
    assert "The newest delivery of source films was refused in run" in week.newest_page()
    assert 'textclf_run_refused_sources{job_name="nightly"} 1.0' in (week.folder / "nightly.prom").read_text()
    assert week.published()[second] == (2 * ROWS, 1, ROWS)
    assert week.corpus() == {"shop": 150, "films": 100}
    assert week.versions() == {"shop": "2", "films": "1"}
    assert week.night(second, "--dry-run") == 0
    assert "refused the same files: read again" in week.plan("ingest", "films")
    assert "skip" in week.plan("ingest", "shop").split()  # the run that refused films published shop

    write_labelled(week.folder / "films.tsv", 30)
    assert week.night(week.day(3)) == 0, week.said
    assert week.did("ingest", "score", "report")
    assert "corpus shrank by 70.0%" in week.plan("models", "films")
    assert week.record["details"]["fallen"] == week.status["steps"][0]["fallen"] == ["films"]
    assert "The newest delivery" not in week.newest_page()
    assert 'textclf_run_fallen_sources{job_name="nightly"} 1.0' in (week.folder / "nightly.prom").read_text()


def test_a_night_beside_another_ends_with_5_and_changes_nothing(week: Week) -> None:
    day = week.day(1)
    place = str(week.warehouse.location("nightly"))
    locks = week.warehouse.locks(week.spark)
    at_work = {"run_id": "the-other-run", "state": "running", "host": "elsewhere"}
    (week.folder / "warehouse").mkdir()
    (week.folder / "warehouse/nightly.json").write_text(json.dumps(at_work))
    with locked(week.spark, locks, place, "the-other-run", "nightly", week.pipeline.lock.lease) as held:
        held.take([NIGHTLY])
        assert week.night(day) == 5

    assert "the-other-run" in week.said
    assert week.record["status"] == "locked"
    assert not week.warehouse.location("results").exists(week.spark)
    assert week.status == at_work  # only the other night writes it
    record = week.warehouse.location("runs").read(week.spark).where("job = 'nightly'").first()
    assert record is not None
    assert record["status"] == "locked"
