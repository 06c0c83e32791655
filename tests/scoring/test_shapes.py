"""Days with different columns and days of many small files in one table."""

from datetime import date

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.factories.artifacts import sample
from tests.scoring.scoring import ONE_MODEL, Scoring, values
from textclf.errors import InputError

DAYS = [date(2026, 1, number) for number in (1, 2, 3)]
GATE = "[gate]\nmax_unknown = 1.0\n"


def test_days_of_other_shapes_live_in_one_table(spark: SparkSession, scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL + GATE)
    scoring.score(scoring.write([(1, "good")], "id long, text string"), day=DAYS[0])
    # An older table, without the evidence column.
    path = str(scoring.warehouse.location("results"))
    old = spark.read.format("delta").load(path).drop("evidence")
    old.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)

    scoring.promote(sample("yelp", labels=("a", "b", "c")))
    rows = [(2, "now", "good")]
    scoring.score(scoring.write(rows, "id int, note string, text string", name="more"), day=DAYS[1])

    found = scoring.results
    assert dict(found.dtypes)["id"] == "bigint"
    assert "evidence" in found.columns
    assert values(found.selectExpr("id", "ds", "size(scores) AS scores"), "id", "ds", "scores") == [
        (1, DAYS[0], None),
        (2, DAYS[1], 3),
    ]
    with pytest.raises(InputError, match="received: id bigint"):
        scoring.score(scoring.write([("3", "good")], "id string, text string", name="other"), day=DAYS[2])


@pytest.mark.long
def test_many_small_files_are_joined_on_their_way(spark: SparkSession, scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL)
    path = str(scoring.folder / "many")
    spark.range(2000).selectExpr("id", "'good' AS text").repartition(12).write.parquet(path)
    size = "spark.sql.files.maxPartitionBytes"
    before = spark.conf.get(size)
    spark.conf.set(size, "2k")  # one task per file, as on a large cluster
    try:
        for day in DAYS[:2]:  # the first pass creates the table
            scoring.score(path, day=day)
    finally:
        spark.conf.set(size, str(before))
    found = scoring.results
    assert found.where("ds = '2026-01-02'").count() == 2000
    files = found.select("ds", F.input_file_name().alias("file")).distinct().groupBy("ds").count().collect()
    assert {row["ds"]: row["count"] for row in files} == dict.fromkeys(DAYS[:2], 1)
