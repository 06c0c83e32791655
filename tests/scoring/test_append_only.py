"""A run into an append-only table that would have to remove rows fails at its start and writes nothing."""

from tests.scoring.scoring import DAY, ONE_MODEL, OPEN_GATE, Scoring, values
from textclf.storage.append_only import APPEND_ONLY


def test_neither_table_changes_where_one_of_them_is_append_only(scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL + OPEN_GATE)
    flags = ("--input", scoring.write([(1, "good food"), (2, None)], "id long, text string"), "--date", DAY)
    assert scoring.job(*flags) == 0
    before = [values(rows, "id", "run_id") for rows in (scoring.results, scoring.rejects)]
    place = f"{scoring.folder}/warehouse/results"
    scoring.spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ({APPEND_ONLY} = true)")

    code = scoring.job(*flags)

    assert (code, scoring.record["status"]) == (3, "failed")
    assert f"received: {APPEND_ONLY} = true on {place}" in scoring.said
    assert "Traceback" not in scoring.said
    assert [values(rows, "id", "run_id") for rows in (scoring.results, scoring.rejects)] == before
