"""A table with constraints gets only rows that meet them; otherwise the run ends with 3 and both tables are as before.

The constraints are those of Delta: NOT NULL, the length of a VARCHAR, and CHECK.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.sql.types import IntegerType, LongType, StructField, StructType

from tests.points import at
from tests.scoring.scoring import DAY, OPEN_GATE, ROUTED, Scoring, values
from textclf.errors import InputError
from textclf.scoring.input.id_types import stored_type
from textclf.storage import Location
from textclf.storage.schema_changes import check_rows
from textclf.storage.schemas import TableSpec, results, results_rejects

ROWS = [(1, "good", DAY, "yelp"), (2, "bad", DAY, "yelp"), (3, None, DAY, "yelp")]
WITHOUT_SOURCE = (5, "bad", DAY, None)
"""A row that the one model of each run scores."""
LARGE_ID = (123456, "good food", DAY, "yelp")


def create(scoring: Scoring, spec: TableSpec, column: str = "", check: str = "") -> str:
    """Create an empty published table as its user might, and return its name for SQL."""
    kinds = {field.name: f"{field.name} {field.dataType.simpleString()}" for field in spec.schema}
    if column:
        kinds[column.split()[0]] = column
    table = f"delta.`{scoring.folder}/warehouse/{spec.name}`"
    columns = ", ".join(kinds.values())
    scoring.spark.sql(f"CREATE TABLE {table} ({columns}) USING delta PARTITIONED BY (ds, source)")
    if check:
        scoring.spark.sql(f"ALTER TABLE {table} ADD CONSTRAINT {check}")
    return table


def published(scoring: Scoring) -> list[Any]:
    """Return the rows of both tables, and the schemas that readers trust; None for a missing table."""
    found: list[Any] = []
    for name in ("results", "results_rejects"):
        place = scoring.warehouse.location(name)
        there = place.exists(scoring.spark)
        found.append([values(place.read(scoring.spark), "id", "source", "run_id"), there] if there else None)
    return found


def run(scoring: Scoring, rows: Sequence[tuple[Any, ...]]) -> int:
    path = scoring.write(rows, "id long, text string, ds date, source string")
    return scoring.job("--input", path, "--model", "yelp")


RESULTS, REJECTS = results(LongType()), results_rejects(LongType())


@pytest.mark.parametrize(
    ("spec", "column", "check", "bad", "named"),
    [
        (RESULTS, "source STRING NOT NULL", "", WITHOUT_SOURCE, "NOT NULL of source"),
        (RESULTS, "id BIGINT", "small CHECK (id < 1000)", LARGE_ID, "CHECK small (id < 1000)"),
        (REJECTS, "source STRING NOT NULL", "", (5, None, DAY, None), "NOT NULL of source"),
        (RESULTS, "source VARCHAR(4)", "", (6, "good", DAY, "amazon"), "length(source) <= 4"),
        (REJECTS, "reason STRING", "texts CHECK (reason <> 'null_id')", (None, "a", DAY, "yelp"), "CHECK texts "),
    ],
    ids=["not null", "check", "rejects not null", "varchar", "rejects check"],
)
def test_rows_are_published_where_they_meet_the_constraint_and_nothing_otherwise(
    scoring: Scoring, spec: TableSpec, column: str, check: str, bad: tuple[Any, ...], named: str
) -> None:
    scoring.configure(ROUTED + OPEN_GATE)
    create(scoring, spec, column, check)
    assert run(scoring, ROWS) == 0, scoring.said
    before = published(scoring)
    assert [len(rows) for rows, _ in before] == [2, 1]

    code = run(scoring, [*ROWS, bad])

    assert (code, scoring.record["status"]) == (3, "failed"), scoring.said
    assert named in scoring.said
    assert named in scoring.record["error"]
    for part in ("received: ", "expected: ", "what to do: "):
        assert part in scoring.said
    assert "Traceback" not in scoring.said
    assert published(scoring) == before
    assert scoring.staged() == []


def test_a_column_that_no_run_can_fill_is_refused_before_anything_is_scored(scoring: Scoring) -> None:
    scoring.configure(ROUTED + OPEN_GATE)
    create(scoring, RESULTS, "evidence STRING NOT NULL")

    with at("locked", lambda: None) as reached:
        code = run(scoring, ROWS)

    assert code == 3
    assert "received: evidence string NOT NULL" in scoring.said
    assert "Traceback" not in scoring.said
    assert reached == []


def test_a_constraint_that_is_added_between_the_commits_keeps_the_results_as_they_were(scoring: Scoring) -> None:
    scoring.configure(ROUTED + OPEN_GATE)
    table = create(scoring, RESULTS)
    assert run(scoring, ROWS) == 0, scoring.said
    before = published(scoring)

    def add() -> None:
        scoring.spark.sql(f"ALTER TABLE {table} ADD CONSTRAINT small CHECK (id < 1000)")

    with at("committed results_rejects", add):
        code = run(scoring, [*ROWS, LARGE_ID])

    assert code == 3
    assert "CHECK constraint small (id < 1000) violated" in scoring.record["error"]
    assert "Traceback" not in scoring.said
    results_, rejects = published(scoring)
    assert results_ == before[0]
    assert [row[2] for row in rejects[0]] == [scoring.record["run_id"]]  # ahead of the results, as after a kill


def test_fields_of_ids_are_checked_as_delta_does_and_our_own_tables_let_them_be_null(scoring: Scoring) -> None:
    place = Location(path=str(scoring.folder / "strict"))
    scoring.spark.sql(f"CREATE TABLE delta.`{place}` (id STRUCT<`a.b`: INT NOT NULL>, note VARCHAR(1)) USING delta")
    kind = "id struct<`a.b`: int>"

    def check(place: Location, value: tuple[int | None, ...] | None) -> None:
        check_rows(scoring.spark, place, lambda: scoring.spark.createDataFrame([(value,)], kind))

    check(place, (1,))
    for wrong in (None, (None,)):
        with pytest.raises(InputError, match=r"NOT NULL of id\.a\.b\.\n  received: 1 rows against"):
            check(place, wrong)
    check(Location(path=str(scoring.folder / "missing")), None)
    assert stored_type(StructType([StructField("a", IntegerType(), False)])) == StructType().add("a", IntegerType())
