"""Through the jobs: rows that the gate refuses are not published, and published rows can be traced to their run."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from jobs import explain_row, show_run
from tests.factories.artifacts import sample
from tests.points import files_of_no_version
from tests.scoring.scoring import ONE_MODEL, ROUTED, Scoring, values
from textclf._version import code_version
from textclf.artifact import ModelStore
from textclf.runs.history import publications
from textclf.storage.leases.locks import locked

GATED = ONE_MODEL + "[gate]\nmin_rows = 20\nmax_unknown = 1.0\n"
SCHEMA = "id long, text string"
GOOD = [(id_, "good food" if id_ % 2 else "bad") for id_ in range(100)]
SHIFTED = [(id_, "good food") for id_ in range(100)]


def test_a_shift_is_refused_kept_traced_and_published_by_hand(scoring: Scoring) -> None:
    scoring.configure(GATED)

    def score(day: int, rows: Sequence[tuple[Any, ...]]) -> int:
        path = scoring.write(rows, SCHEMA, name=f"input{day}")
        return scoring.job("--input", path, "--date", f"2026-01-{day}")

    assert score(30, GOOD) == 0
    before = scoring.versions()

    code = score(31, SHIFTED)
    refused = scoring.record
    assert (code, refused["status"], refused["gate"]["verdict"]) == (4, "refused", "refused")
    assert "psi of labels, published of 2026-01-31/yelp: population stability index" in scoring.said
    assert "at most 0.25" in scoring.said
    assert f"--publish-anyway {refused['run_id']} --reason TEXT" in scoring.said
    assert scoring.versions() == before
    staging = scoring.folder / "warehouse/_staging" / refused["run_id"]
    assert str(staging) in scoring.said
    assert staging.is_dir()

    publish = ("--publish-anyway", refused["run_id"])
    assert scoring.job(*publish) == 2  # without a reason
    assert scoring.job(*publish, "--reason", "sale", "--output", scoring.folder / "other") == 3
    code = scoring.job(*publish, "--reason", "a sale brought praise")
    record = scoring.record
    assert (code, record["gate"]["verdict"], record["scored_rows"]) == (0, "overridden", 100)
    assert record["details"]["reason"] == "a sale brought praise"
    assert not staging.exists()
    assert scoring.results.where("ds = '2026-01-31'").count() == 100
    assert scoring.job(*publish, "--reason", "again") == 3  # nothing left to publish

    check_traced(scoring, refused, record)
    # The next day is also compared with rows published by hand.
    newest = publications(scoring.spark, scoring.warehouse, str(scoring.warehouse.location("results")))[0]
    assert (newest.run_id, newest.slices[0].labels) == (record["run_id"], {"1": 100})


def refused(scoring: Scoring) -> tuple[str, ...]:
    """Let the gate refuse a day; return the flags that publish it nevertheless."""
    scoring.configure(GATED)
    for day, rows in ((30, GOOD), (31, SHIFTED)):
        path = scoring.write(rows, SCHEMA, name=f"input{day}")
        scoring.job("--input", path, "--date", f"2026-01-{day}")
    assert scoring.record["status"] == "refused"
    return ("--publish-anyway", scoring.record["run_id"], "--reason", "sale")


def test_refused_rows_are_written_once_and_named_later(scoring: Scoring) -> None:
    flags = refused(scoring)
    files = files_of_no_version(scoring.folder / "warehouse")
    before = {path: path.stat().st_ino for path in files}
    assert files
    assert scoring.job(*flags) == 0
    assert {path: path.stat().st_ino for path in files} == before
    assert files_of_no_version(scoring.folder / "warehouse") == []
    assert scoring.record["details"]["publish"] == "by name"


def test_rows_that_a_vacuum_has_removed_cannot_be_published(scoring: Scoring) -> None:
    flags, before = refused(scoring), scoring.versions()
    files_of_no_version(scoring.folder / "warehouse")[0].unlink()
    assert scoring.job(*flags) == 3
    assert "This run has no refused rows to publish." in scoring.said
    assert "not all of its rows" in scoring.said
    assert scoring.versions() == before


def test_rows_that_an_earlier_release_has_staged_are_published(scoring: Scoring) -> None:
    flags = refused(scoring)
    staging = scoring.folder / "warehouse/_staging" / flags[1] / "scored"
    log = staging / f"_delta_log/{0:020d}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for number, line in enumerate(lines):
        if "add" in line:
            there = Path(urlsplit(unquote(line["add"]["path"])).path)
            line["add"]["path"] = f"part-{number}.txt"
            there.rename(staging / line["add"]["path"])
    (log.parent / f".{log.name}.crc").unlink(missing_ok=True)
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert scoring.job(*flags) == 0
    assert scoring.results.where("ds = '2026-01-31'").count() == 100
    assert files_of_no_version(scoring.folder / "warehouse") == []


def check_traced(scoring: Scoring, refused: dict[str, Any], record: dict[str, Any]) -> None:
    """Check that explain_row and show_run name the refused run and the run that published it by hand."""
    assert scoring.job(refused["run_id"], module=show_run) == 0
    shown = scoring.record["details"]["run"]
    assert [each["reason"] for each in shown["published_by"]] == ["a sale brought praise"]
    code = scoring.job("7", module=explain_row)
    newest, oldest = scoring.record["details"]["rows"]
    assert (code, newest["ds"], oldest["ds"]) == (0, "2026-01-31", "2026-01-30")
    assert newest["model_digest"] == scoring.store.load("yelp").digest
    assert newest["corpus_digest"] == "0" * 64
    made = newest["run"]
    assert (made["run_id"], made["status"], made["input_version"]) == (refused["run_id"], "refused", 0)
    assert made["published_by"][0]["run_id"] == record["run_id"]
    assert (made["code_version"], made["input"]) == (code_version(), refused["input"])
    assert scoring.job("12345", module=explain_row) == 3
    assert scoring.job("7", "--source", "imdb", module=explain_row) == 3
    assert scoring.job("../../results", module=show_run) == 2


def test_repeated_ids_are_refused_on_request(scoring: Scoring) -> None:
    path = scoring.write([(1, "good"), (1, "bad"), (2, "good"), (None, "good"), (None, "good")], SCHEMA)
    scoring.configure(ONE_MODEL + "[gate]\nmax_rejects = 1.0\nunique_ids = true\n")
    assert scoring.job("--input", path) == 4
    assert "unique_ids: 1 repeated ids" in scoring.said
    assert scoring.record["gate"]["checks"]["counts"]["failed"] == 0
    scoring.configure(ONE_MODEL + "[gate]\nmax_rejects = 1.0\n")
    assert scoring.job("--input", path) == 0


def test_older_rows_never_replace_newer_ones(scoring: Scoring) -> None:
    scoring.configure(GATED)
    rejects = [(id_, None) for id_ in range(30)]
    scoring.job("--date", "2026-01-31", "--input", scoring.write(rejects, SCHEMA, name="a"))
    refused = scoring.record
    assert refused["status"] == "refused"
    assert scoring.job("--date", "2026-01-31", "--input", scoring.write(GOOD, SCHEMA, name="b")) == 0
    assert scoring.job("--publish-anyway", refused["run_id"], "--reason", "late") == 3
    assert "A later run has published the same slices." in scoring.said
    assert len(values(scoring.results, "id")) == 100


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--from", "2026-01-01"], "--from and --to together"),
        (["--from", "2026-01-02", "--to", "2026-01-01"], "--from no later than --to"),
        (["--from", "2026-01-01", "--to", "2026-01-02", "--date", "2026-01-01"], "one of --date"),
        (["--reason", "why"], "--publish-anyway RUN_ID and --reason TEXT together"),
        (["--since", "newest"], "expected a version number or last"),
        (["--publish-anyway", "../results", "--reason", "why"], "such as 20260131T235959-1a2b3c4d"),
    ],
)
def test_flags_that_make_no_sense_are_2(scoring: Scoring, flags: list[str], expected: str) -> None:
    assert scoring.configure(GATED).job(*flags) == 2
    assert expected in scoring.said


def test_names_are_no_sql_and_paths_are_paths(scoring: Scoring) -> None:
    folder = scoring.folder / 'it\'s "odd"; DROP TABLE x --'
    odd = replace(scoring, folder=folder, store=ModelStore(str(folder / "warehouse/models")))
    odd.promote(sample("yelp"))
    path = odd.configure(ONE_MODEL).write(GOOD, SCHEMA)
    assert odd.job("--input", path, "--date", "2026-01-31") == 0, odd.said
    assert odd.job("--input", path, "--output", scoring.folder / "a`b") == 2
    assert odd.job("--input", path, "--model", "../../models/yelp") == 2
    assert odd.job("--input", "x; DROP TABLE y") == 3
    assert odd.job("1 OR 1=1", module=explain_row) == 3
    assert [row["status"] for row in odd.rows("runs").orderBy("started_at").collect()] == [
        "succeeded",
        "failed",
        "failed",
        "failed",
    ]


def test_a_day_that_another_run_works_on_is_5(scoring: Scoring) -> None:
    warehouse, path = scoring.configure(GATED).warehouse, scoring.write(GOOD, SCHEMA)
    output, folder = str(warehouse.location("results")), warehouse.locks(scoring.spark)
    with locked(scoring.spark, folder, output, "another", "score_table", 60) as locks:
        locks.take([date(2026, 1, 31)])
        code = scoring.job("--input", path, "--date", "2026-01-31")
        assert (code, scoring.record["status"]) == (5, "locked")
        assert "run another of score_table" in scoring.said
        assert scoring.job("--input", path, "--date", "2026-02-01") == 0


def test_a_source_that_loses_its_champion_keeps_its_scores_until_somebody_says_otherwise(scoring: Scoring) -> None:
    scoring.configure(ROUTED + "[gate]\nmax_rejects = 1.0\n")

    def score(*days: int) -> int:
        rows = [(day, "good", source, f"2026-01-{day}") for day in days for source in ("yelp", "trec", "nobody")]
        schema = "id long, text string, source string, ds string"
        return scoring.job("--input", scoring.write(rows, schema, name=f"input{days[0]}{len(days)}"))

    assert score(30) == 0
    (Path(scoring.store.root) / "yelp/champion").unlink()
    before = scoring.versions()
    code, refused = score(30, 31), scoring.record
    assert (code, refused["status"]) == (4, "refused")
    assert "lost_model of 2026-01-30/yelp: 1 rows without a model; run " in scoring.said
    assert "lost_model of 2026-01-31/yelp: 1 rows without a model; run " in scoring.said
    assert "nobody" not in scoring.said
    assert "restore the source's model" in scoring.said
    assert scoring.versions() == before

    assert scoring.job("--publish-anyway", refused["run_id"], "--reason", "yelp is closed") == 0
    assert values(scoring.results, "source", "id") == [("trec", 30), ("trec", 31)]
    assert score(28) == 0  # no scores of that source, now known to have no model
