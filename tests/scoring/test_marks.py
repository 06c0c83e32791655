"""The digest by which a later run knows whether the whole input would be scored the same way again."""

import shutil
from typing import Any

from tests.scoring.scoring import DAY, ONE_MODEL, OPEN_GATE, Scoring
from textclf.artifact import ModelStore
from textclf.scoring.marks import whole_fingerprint
from textclf.scoring.plan import ScoreOptions, plan_scoring

ROWS = [(1, "good"), (2, "bad")]
SCHEMA = "id long, text string"


def fingerprint(scoring: Scoring, path: str, **options: Any) -> str | None:
    given = ScoreOptions(input=path, **options)
    return whole_fingerprint(scoring.spark, plan_scoring(scoring.workspace, given), scoring.pipeline, given)


def test_it_changes_with_the_input_the_models_and_the_settings(scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL + OPEN_GATE)
    parquet, delta = scoring.write(ROWS, SCHEMA, "parquet"), scoring.write(ROWS, SCHEMA, "delta", "table")
    seen = [fingerprint(scoring, parquet), fingerprint(scoring, delta)]
    assert [fingerprint(scoring, parquet), fingerprint(scoring, delta)] == seen

    scoring.write(ROWS[:1], SCHEMA, "parquet")
    seen.append(fingerprint(scoring, parquet))
    scoring.write(ROWS, SCHEMA, "delta", "table")
    seen.append(fingerprint(scoring, delta))
    shutil.rmtree(delta)
    scoring.write(ROWS, SCHEMA, "delta", "table")  # the same rows at the same version of another table
    seen.append(fingerprint(scoring, delta))
    seen.append(fingerprint(scoring, parquet, evidence=True))
    scoring.configure(ONE_MODEL + OPEN_GATE + "history = 3\n")
    seen.append(fingerprint(scoring, parquet))
    store = ModelStore(scoring.workspace.models)
    scoring.promote(store.load("yelp"))
    seen.append(fingerprint(scoring, parquet))
    assert None not in seen
    assert len(set(seen)) == len(seen)

    scoring.configure(ONE_MODEL + OPEN_GATE + "history = 3\n[nightly]\nretries = 0\n[lock]\nlease = 9.0\n")
    assert fingerprint(scoring, parquet) == seen[-1]


def test_a_run_of_some_rows_and_a_view_have_none(scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL + OPEN_GATE)
    path = scoring.write(ROWS, SCHEMA)
    assert fingerprint(scoring, path, limit=1) is None
    assert fingerprint(scoring, path, day=DAY) is None
    scoring.spark.read.format("delta").load(path).createOrReplaceTempView("some_rows")
    assert fingerprint(scoring, "some_rows") is None
    scoring.spark.catalog.dropTempView("some_rows")


def test_it_is_in_the_record_of_a_run_and_of_its_publication_by_hand(scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL + OPEN_GATE)
    path = scoring.write(ROWS, SCHEMA)
    expected = fingerprint(scoring, path)
    assert scoring.score(path).details["whole_fingerprint"] == expected
    assert "whole_fingerprint" not in scoring.score(path, limit=1).details

    scoring.configure(ONE_MODEL + "[gate]\nmax_unknown = 0.0\n")
    texts = scoring.write([(1, "good"), *((number, "unheard of") for number in range(2, 2000))], SCHEMA)
    assert scoring.job("--input", texts) == 4, scoring.said
    refused = scoring.record
    assert scoring.job("--publish-anyway", refused["run_id"], "--reason", "as it is") == 0, scoring.said
    assert scoring.record["details"]["whole_fingerprint"] == refused["details"]["whole_fingerprint"]
