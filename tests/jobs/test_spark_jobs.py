"""The number of Spark jobs of each job of the chain, which decides how long a small run takes."""

import json
import shutil

import pytest
from pyspark.sql import SparkSession

from tests.spark_jobs import CHAIN, jobs_of_the_chain, write_chain

LIMITS = {"ingest_corpus": 8, "build_vocabulary": 6, "train_model": 4, "score_table": 8}
"""Most Spark jobs of a job with three sources; of training, beside one for each source."""
MORE = {
    "more": 'path = "{data}/restaurants.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]',
    "headed": 'path = "{data}/headed.tsv"\nformat = "tsv"\nheader = true',
    "parquet": 'path = "{data}/labelled"\nformat = "parquet"\ntext = "text"\nlabel = "label"',
}
"""Sources more, by name: one with rows in the table to score, one whose header is read first, one that is no lines."""
Counts = dict[str, int]


def entry(name: str) -> str:
    return f'[[sources]]\nname = "{name}"\n{MORE[name]}\nlabels = ["0", "1"]\n'


@pytest.fixture(scope="module")
def counted(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counts]:
    """Count the Spark jobs of the chain on no tables, on those that it has left, and with one source more at a time."""
    folder = tmp_path_factory.mktemp("jobs")
    config = write_chain(folder, str(folder / "warehouse"))
    rows = [(f"a word and number {number}", str(number % 2)) for number in range(40)]
    spark.createDataFrame(rows, "text string, label string").coalesce(1).write.parquet(str(folder / "data/labelled"))
    lines = "\n".join("\t".join(row) for row in [("text", "label"), *rows])
    (folder / "data/headed.tsv").write_text(lines, encoding="utf-8")

    def run(jobs: tuple[str, ...] = tuple(CHAIN)) -> Counts:
        return {job: len(jobs_of_the_chain(spark, job, config)) for job in jobs}

    found = {"first": run(), "again": run()}
    text = config.read_text(encoding="utf-8")
    for name in MORE:
        shutil.rmtree(folder / "warehouse" / "runs")  # the records of ten runs are merged by one of them
        config.write_text(text + entry(name).replace("{data}", str(folder / "data")), encoding="utf-8")
        found[name] = run(tuple(CHAIN) if name == "more" else ("ingest_corpus", "build_vocabulary"))
    return found


@pytest.mark.parametrize("run", ["first", "again", *MORE])
def test_a_job_has_few_spark_jobs(counted: dict[str, Counts], run: str) -> None:
    sources = 3 + (run in MORE)
    most = {job: limit + (sources if job == "train_model" else sources - 3) for job, limit in LIMITS.items()}
    assert {job: count for job, count in counted[run].items() if count > most[job]} == {}, json.dumps(counted)


@pytest.mark.parametrize("name", MORE)
def test_a_source_more_adds_at_most_one(counted: dict[str, Counts], name: str) -> None:
    more = {job: count - counted["again"][job] for job, count in counted[name].items()}
    assert {job: count for job, count in more.items() if count > 1} == {}, json.dumps(counted)
