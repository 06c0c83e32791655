"""The description of every Spark job names its run, step and source."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from jobs import build_vocabulary, ingest_corpus, score_table, search_models
from tests.factories.corpora import invented
from tests.factories.pipeline_folder import RunJob
from textclf.common.logs import identify
from textclf.spark.job_names import described

WriteConfig = Callable[[str], Path]
PROPERTY = "spark.job.description"


def descriptions(spark: SparkSession) -> dict[int, str | None]:
    """Return the job descriptions that Spark's web UI shows, by job id."""
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
    spark: SparkSession, run_job: RunJob, write_config: WriteConfig, tmp_path: Path
) -> None:
    lines = "".join(f"{text}\t{label}\n" for text, label in invented(40))
    for name in ("one", "two"):
        (tmp_path / f"{name}.tsv").write_text(f"{lines}no label\n", encoding="utf-8")
    table = tmp_path / "table"
    spark.createDataFrame([(1, "good food", "one")], "id long, text string, source string").write.parquet(str(table))
    sources = "".join(
        f'[[sources]]\nname = "{name}"\npath = "{tmp_path / name}.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
        for name in ("one", "two")
    )
    search = '[search]\narchitecture = "logistic_regression"\nstrategy = "grid"\nfolds = 2\n'
    config = write_config(f'{sources}{search}[score]\ninput = "{table}"\nsource = "source"\n')

    jobs = (ingest_corpus, build_vocabulary, search_models, score_table)
    named = {job: names(spark, run_job, job, config) for job in jobs}

    record = ""  # the run record, which belongs to no step
    assert named[ingest_corpus] - {record} == {"ingest, one, two"}
    assert named[build_vocabulary] - {record} == set()  # the driver tokenizes so few rows itself
    searched = {re.sub(r", \d+ (trials|winners)$", "", name) for name in named[search_models]}
    assert searched - {record} == {"search, one, two"}
    assert named[score_table] - {record} == {"score, one, two"}


def names(spark: SparkSession, run_job: RunJob, job: Any, config: Path) -> set[str]:
    """Return the names of a run's Spark jobs, without their common prefix and what Delta appends."""
    before = set(descriptions(spark))
    code, record, said = run_job(job, "--config", config)
    assert code == 0, said
    own = f"{record['job']} {record['run_id']}"
    found = [text or "" for number, text in descriptions(spark).items() if number not in before]
    assert [text for text in found if own not in text] == []
    return {text.partition(own)[2].removeprefix(": ").partition(":")[0] for text in found}
