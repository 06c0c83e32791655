"""Any mix of ids, sources, days and texts gives results and rejects with exact counts, the same in both runs."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, StringType, TimestampType

from tests.points import files_of_no_version
from tests.scoring.scoring import DAY, ONE_MODEL, OPEN_GATE, ROUTED, Scoring, values
from tests.scoring.tables import REFUSED_IDS, Table, check, every_odd_value, tables
from textclf.errors import InputError
from textclf.scoring.input.day_values import strict_day, unchecked_day
from textclf.scoring.input.source_names import ESCAPED, bad_source


def test_every_odd_value_has_its_reason_where_workers_write_the_files(spark: SparkSession, tmp_path: Path) -> None:
    reasons = check(spark, tmp_path, every_odd_value("bigint", "string"))
    assert reasons.keys() == {
        *("", "bad_date", "bad_source", "no_model", "null_id", "null_text", "oversized_text", "undecodable_bytes")
    }


def test_every_odd_value_and_type_of_ids_goes_through_the_jvm(spark: SparkSession, tmp_path: Path) -> None:
    check(spark, tmp_path, every_odd_value("everything", "timestamp"))


@pytest.mark.long
@pytest.mark.parametrize("id_type", ["date", "timestamp", "string collate UTF8_LCASE", "void", "variant"])
def test_every_odd_value_goes_with_ids_of_each_kind(spark: SparkSession, tmp_path: Path, id_type: str) -> None:
    check(spark, tmp_path, every_odd_value(id_type, "date"))


@pytest.mark.long
def test_copied_scores_change_no_reason(spark: SparkSession, tmp_path: Path) -> None:
    check(spark, tmp_path, every_odd_value("string", "string", changed_only=True))


@pytest.mark.long
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(drawn=tables())
def test_any_table_ends_in_results_and_rejects(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, drawn: Table
) -> None:
    check(spark, tmp_path_factory.mktemp("drawn"), drawn)


@pytest.mark.parametrize("kind", REFUSED_IDS)
def test_ids_that_no_delta_table_holds_are_refused_before_work_begins(
    spark: SparkSession, scoring: Scoring, kind: str
) -> None:
    frame = spark.range(2).select(F.col("id").alias("n")).select(F.expr(REFUSED_IDS[kind]).alias("id"), F.lit("good"))
    frame.toDF("id", "text").createOrReplaceTempView("ids_to_refuse")
    scoring.configure(ONE_MODEL)
    with pytest.raises(InputError) as error:
        scoring.score("ids_to_refuse", day=DAY)
    assert "The ids of the input have a type that a Delta table cannot hold." in str(error.value)
    assert not (scoring.folder / "warehouse/_staging").exists()


@pytest.mark.parametrize(("kind", "how"), [("map(n, n)", "unique_ids"), ("parse_json(cast(n AS string))", "since")])
def test_ids_that_cannot_be_compared_are_refused_where_they_must_be(
    spark: SparkSession, scoring: Scoring, kind: str, how: str
) -> None:
    path = str(scoring.folder / "input")
    frame = spark.range(2).select(F.col("id").alias("n")).select(F.expr(kind).alias("id"), F.lit("good").alias("text"))
    frame.write.parquet(path)
    scoring.configure(ONE_MODEL + "[gate]\nunique_ids = true\n" * (how == "unique_ids"))
    with pytest.raises(InputError, match=f"values cannot be compared(.|\n)*with {how}"):
        scoring.score(path, day=DAY, since=0 if how == "since" else None)


def test_the_characters_that_make_a_folders_name_longer_are_those_of_spark(spark: SparkSession) -> None:
    escape: Any = spark._jvm.org.apache.spark.sql.catalyst.catalog.ExternalCatalogUtils  # type: ignore[union-attr]
    assert [each for each in map(chr, range(1, 0x180)) if escape.escapePathName(each) != each] == sorted(ESCAPED)
    names = [
        each * count for each in ("a", "/", "é", "😀", "%é") for count in (1, 62, 63, 82, 83, 84, 124, 125, 248, 249)
    ]
    rows = spark.createDataFrame([(name,) for name in names], "source string")
    found = {
        row["source"]: row["bad"] for row in rows.select("source", bad_source(F.col("source")).alias("bad")).collect()
    }
    for name in names:
        assert found[name] == (len(escape.getPartitionPathString("source", name).encode()) > 255), name


def _plan(frame: DataFrame) -> str:
    return str(frame._jdf.queryExecution().executedPlan())


def test_days_of_dates_are_looked_for_in_the_files_alone(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(4).selectExpr("id", "date_add(date'2026-01-30', cast(id AS int)) AS ds").write.parquet(
        str(tmp_path / "t")
    )
    rows = spark.read.parquet(str(tmp_path / "t"))
    found = rows.where(unchecked_day(F.col("ds"), DateType()) == F.lit(DAY))
    assert "PushedFilters: [IsNotNull(ds), EqualTo(ds,2026-01-31)]" in _plan(found)
    assert found.count() == 1


def test_the_day_of_a_timestamp_is_that_of_the_sessions_zone_and_the_day_of_a_text_its_first_ten_letters(
    spark: SparkSession,
) -> None:
    one = spark.sql("SELECT timestamp'2026-01-05T23:30:00Z' AS at, '2026-01-05T23:30:00Z' AS text")
    columns = [strict_day(F.col("at"), TimestampType()), strict_day(F.col("text"), StringType())]
    zone = spark.conf.get("spark.sql.session.timeZone")
    assert zone == "UTC"
    try:
        spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
        found = [str(day) for day in one.select(*columns).collect()[0]]
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone)
    assert found == ["2026-01-06", "2026-01-05"]


OFFSETS = ("", "Z", "+00", "-11", "+0000", "+0530", "-1130", "+05:30", "-23:59", "+00:00")
TIMES = ("T23:30", " 00:15", " 23:30:00", "T00:15:00.000", "T23:30:00,5", " 00:15:00.123456789", "T23:30:59,123456789")
NO_TIMES = (
    *(
        "T10:00+24",
        "T10:00+1",
        "T10:00+053",
        "T10:00+05:3",
        "T10:00+05:60",
        "T10:00+0560",
        "T10:00+05:300",
        "T10:00 +00",
    ),
    *(
        "T10:00Z+00",
        "T10:00z",
        "T10:00:00.",
        "T10:00:00,",
        "T10:00:00.1234567890",
        "T10:00,5",
        "T24:00",
        "T10:60",
        "T10",
    ),
    *("T10:00:00.5,5", "T10:00:00;5", "+00", "Z", "T10:00\u221200", "T10:00+\u0660\u0660", "T10:00+00\n"),
)


def test_a_text_with_any_iso_time_and_offset_is_of_the_day_as_written(spark: SparkSession) -> None:
    good = ["2026-01-05" + time + offset for time in TIMES for offset in OFFSETS]
    texts = [*good, *("2026-01-05" + time for time in NO_TIMES)]
    rows = spark.createDataFrame([(text,) for text in texts], "ds string")
    days = rows.select("ds", strict_day(F.col("ds"), StringType()).alias("day"))
    zone = str(spark.conf.get("spark.sql.session.timeZone"))
    try:
        for here in ("UTC", "Asia/Tokyo", "America/Los_Angeles"):
            spark.conf.set("spark.sql.session.timeZone", here)
            found = {row["ds"]: row["day"] for row in days.collect()}
            assert found == {text: date(2026, 1, 5) if text in good else None for text in texts}
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone)


def test_a_char_column_of_days_may_be_filled_up_with_blanks(spark: SparkSession, scoring: Scoring) -> None:
    scoring.configure(ROUTED + OPEN_GATE)
    spark.sql("CREATE TABLE padded_days (id bigint, text string, source string, ds char(12)) USING parquet")
    try:
        spark.sql("INSERT INTO padded_days VALUES (1, 'good', 'yelp', '2026-01-31'), (2, 'good', 'yelp', 'junk')")
        run = scoring.score("padded_days")
    finally:
        spark.sql("DROP TABLE padded_days")
    assert (run.scored_rows, run.details["rejects"]) == (1, {"bad_date": 1})


@pytest.mark.parametrize("packs", [True, False])
def test_a_run_with_too_many_sources_is_refused_before_files_are_written(
    spark: SparkSession, scoring: Scoring, packs: bool
) -> None:
    path = str(scoring.folder / "users")
    ids = spark.range(3000).selectExpr("id", "'good' AS text", "concat('user', id) AS source", f"date'{DAY}' AS ds")
    ids.repartition(2).write.parquet(path)
    scoring.configure(ROUTED.replace("[score]", "[score]\nmax_sources = 20") + OPEN_GATE)
    with pytest.raises(InputError) as error:
        scoring.score(path, changed_only=not packs)
    assert "its source column is probably another one" in str(error.value)
    assert "source = 'source' with" in str(error.value)
    assert "'user1" in str(error.value)
    assert "at most 20 sources (max_sources under [score])" in str(error.value)
    assert not scoring.warehouse.location("results").exists(spark)
    assert files_of_no_version(scoring.folder / "warehouse") == []
    assert scoring.staged() == []


def test_sources_of_all_tasks_together_are_counted_too(spark: SparkSession, scoring: Scoring) -> None:
    path = str(scoring.folder / "shops")
    rows = spark.range(0, 40, 1, 4).selectExpr(
        "id", "'good' AS text", "concat('shop', id) AS source", f"date'{DAY}' AS ds"
    )
    rows.write.parquet(path)

    def at_most(number: int) -> Scoring:
        return scoring.configure(ROUTED.replace("[score]", f"[score]\nmax_sources = {number}") + OPEN_GATE)

    with pytest.raises(InputError, match="with 40 sources, such as 'shop0', 'shop1', 'shop10'"):
        at_most(39).score(path)
    run = at_most(40).score(path)
    assert run.details["rejects"] == {"no_model": 40}
    # With one model for all rows, sources still count as slices on both paths.
    for copying in (False, True):
        for most, where in ((39, "with 40 sources, such as"), (9, r"with \d+ sources in one task, which then stopped")):
            with pytest.raises(InputError, match=where):
                at_most(most).score(path, model="yelp", changed_only=copying)


def test_days_of_the_first_and_last_year_are_days(scoring: Scoring) -> None:
    scoring.configure(ROUTED + OPEN_GATE)
    rows = [(1, "good", "yelp", "0005-03-01"), (2, "good", "yelp", "9999-12-31")]
    path = scoring.write(rows, "id long, text string, source string, ds string")
    for day, number in ((date(5, 3, 1), 1), (date(9999, 12, 31), 2)):
        run = scoring.score(path, day=day)
        assert (run.input_rows, run.scored_rows) == (1, 1)
        assert values(scoring.results.where(f"id = {number}").selectExpr("cast(ds AS string)"), "ds") == [
            (day.isoformat(),)
        ]
