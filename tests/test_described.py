"""Every Spark job of a run says which run, step and source it is of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from jobs import ingest_corpus
from textclf.described import described
from textclf.logs import identify

RunJob = Callable[..., tuple[int, dict[str, Any], str]]
PROPERTY = "spark.job.description"


def descriptions(spark: SparkSession) -> dict[int, str | None]:
    """By number, as Spark's web page shows them."""
    jvm: Any = spark._jvm
    context: Any = spark.sparkContext._jsc
    jobs = jvm.scala.jdk.javaapi.CollectionConverters.asJava(context.sc().statusStore().jobsList(None))
    found = {job.jobId(): job.description() for job in jobs}
    return {number: text.get() if text.isDefined() else None for number, text in found.items()}


def test_names_are_set_within_and_taken_away_after(spark: SparkSession) -> None:
    identify("score_table", "run1")
    before = spark.sparkContext.getLocalProperty(PROPERTY)
    with described(spark):
        with described(spark, "score", source="yelp", day="2026-01-31"):
            assert spark.sparkContext.getLocalProperty(PROPERTY) == "score_table run1: score, yelp, 2026-01-31"
        assert spark.sparkContext.getLocalProperty(PROPERTY) == "score_table run1"
    assert spark.sparkContext.getLocalProperty(PROPERTY) == before


def test_no_job_of_a_run_is_nameless(
    spark: SparkSession, run_job: RunJob, write_config: Callable[[str], Path], tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.tsv").write_text("good\t1\nbad\t0\nno label\n", encoding="utf-8")
    config = write_config(
        "".join(
            f'[[sources]]\nname = "{name}"\npath = "{tmp_path / name}.tsv"\nformat = "tsv"\n'
            'columns = ["text", "label"]\n'
            for name in ("one", "two")
        )
    )
    before = set(descriptions(spark))

    code, record, said = run_job(ingest_corpus, "--config", config)

    assert code == 0, said
    found = {text for number, text in descriptions(spark).items() if number not in before}
    own = f"ingest_corpus {record['run_id']}"
    assert {f"{own}: ingest, one", f"{own}: ingest, two"} < found
    assert [text for text in found if own not in (text or "")] == []  # Delta puts words of its own around it
