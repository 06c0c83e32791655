"""How real workers handle memory, models and rows."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from tests.factories.artifacts import sample
from tests.factories.backends import counting, lines
from tests.processes import run_module
from tests.scoring.scoring import DAY, ONE_MODEL, Scoring
from textclf.inference.backends import BACKENDS, BackendChoice, choose
from textclf.scoring.dataframe import add_scores
from textclf.scoring.udf import score_udf
from textclf.scoring.worker.models import PRELOADED
from textclf.spark.preload.environment import preloading


@pytest.mark.long
def test_long_texts_end_no_worker_that_has_little_memory() -> None:
    done = run_module("tests.scoring.long_texts_process")
    # The third pass, in batches of 256 MiB, shows that the worker's memory limit takes effect.
    assert done.stdout.split() == [str(400 * 200_000), str(400 * 200_000), "True"]


def test_workers_of_a_host_share_the_pages_of_one_file(spark: SparkSession) -> None:
    if not Path("/proc/self/smaps").exists():
        pytest.skip("needs /proc")
    model = sample("mapped", kind="cnn", seed=77)
    texts = spark.range(0, 40_000, 1, 2).selectExpr("'the food was good' AS text")
    scored = add_scores(texts, {"mapped": model}, {"mapped": choose(model, "auto")})

    def mapped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            time.sleep(0.5)  # gives each worker one of the tasks
            found = []
            inside = False
            for line in Path("/proc/self/smaps").read_text().splitlines():
                first = line.split()[0]
                if not first.endswith(":"):
                    inside = f"{model.digest}.safetensors" in line
                    found += [line.split()[3:5]] if inside else []
                elif inside and first == "Private_Dirty:":
                    found[-1].append(line.split()[1])
            rows = [":".join(words) for words in found] or ["none"]
            yield pa.record_batch({"file": pa.array([rows[0]] * batch.num_rows)})

    for _ in range(10):
        # Spark takes the worker that has been idle longest. With four of them, left by other tests, jobs of two tasks
        # would find the same ones each time, so this one moves the queue on by one.
        with preloading(spark.sparkContext, *PRELOADED):  # else other workers would be looked at
            one, both = [spark.range(0, each, 1, each).mapInArrow(mapped, "file string") for each in (1, 2)]
        one.collect()
        assert scored.where("score > 0").count() == 40_000
        files = [row["file"] for row in both.collect()]
        if "none" not in files:
            break
    assert len(set(files)) == 1  # one device and inode, and no private pages
    assert files[0].endswith(":0")


def test_a_preview_scores_only_what_it_shows(
    spark: SparkSession, scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, scored_texts = str(scoring.folder / "many"), scoring.folder / "texts"
    spark.range(0, 50_000, 1, 2).selectExpr("id", "'good' AS text").write.parquet(path)
    texts = spark.read.parquet(path)
    monkeypatch.setitem(BACKENDS, "keras", counting(scoring.folder))

    def scored_by(preview: Callable[[], Any]) -> int:
        scored_texts.write_text("")
        assert preview() == 7
        return len(lines(scored_texts))

    preview = add_scores(texts.limit(7), {"yelp": sample()}, {"yelp": BackendChoice("keras", "")})
    assert scored_by(lambda: len(preview.collect())) == 7
    function = score_udf(sample(), backend="keras")
    spark.udf.register("score_preview", function)
    texts.createOrReplaceTempView("texts_to_preview")
    query = "SELECT id, score_preview(text) AS s FROM texts_to_preview LIMIT 7"
    assert scored_by(lambda: len(spark.sql(query).collect())) == 7
    scoring.configure(ONE_MODEL)
    assert scored_by(lambda: scoring.score(path, day=DAY, backend="keras", limit=7).scored_rows) == 7


def test_a_filter_on_what_a_function_gave_evaluates_it_once(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKENDS, "keras", counting(tmp_path))
    spark.udf.register("score_filtered", score_udf(sample(), backend="keras"))
    texts = "SELECT id, CASE WHEN id % 2 = 0 THEN 'good' ELSE 'bad' END AS text FROM range(100)"
    query = f"SELECT id, s.label FROM (SELECT id, score_filtered(text) AS s FROM ({texts})) WHERE s.label = '1'"
    assert len(spark.sql(f"{query} AND s.score > 0.6").collect()) == 50
    assert len(lines(tmp_path / "texts")) == 100
