"""A job killed in the middle leaves the published tables as they were."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from textclf.config import load_pipeline
from textclf.corpus.ingest import ingest_corpus
from textclf.tables import Warehouse
from textclf.text.build import build_vocabulary
from textclf.training.train import train_model

WriteConfig = Callable[[str], Path]
ROOT = Path(__file__).parents[2]
ROWS = 300_000  # enough that a job is still writing when it is noticed


def kill_while_writing(job: str, config: Path, folder: Path) -> int:
    """Start a job, kill -9 its process group once it writes rows into a folder, and give back its exit status."""
    before = set(folder.glob("**/*.parquet"))
    process = subprocess.Popen(
        [sys.executable, ROOT / "jobs" / f"{job}.py", "--config", config],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while process.poll() is None and set(folder.glob("**/*.parquet")) == before:
            time.sleep(0.02)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def snapshot(spark: SparkSession, warehouse: Warehouse, *names: str) -> dict[str, tuple[int, set[tuple[object, ...]]]]:
    """Version and rows of each table."""
    places = {name: warehouse.location(name) for name in names}
    return {
        name: (place.version(spark), {tuple(row) for row in place.read(spark).collect()})
        for name, place in places.items()
    }


@pytest.fixture
def config(write_config: WriteConfig, tmp_path: Path, spark: SparkSession) -> Path:
    """A pipeline whose corpus, model and results are there, and whose inputs have grown since."""
    source = tmp_path / "s.tsv"
    source.write_text("good place\t1\nbad food\t0\nno label\n" * 20, encoding="utf-8")
    path = write_config(
        f'[[sources]]\nname = "s"\npath = "{source}"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
        f'[score]\ninput = "{tmp_path / "input"}"\nmodel = "s"\n'
    )
    pipeline = load_pipeline(path)
    warehouse = Warehouse.of(pipeline)
    ingest_corpus(spark, warehouse, "first", pipeline.sources)
    build_vocabulary(spark, warehouse, pipeline, pipeline.sources)
    train_model(spark, warehouse, pipeline, pipeline.sources[0], "logistic_regression", {})
    return path


def test_killed_ingest(spark: SparkSession, config: Path, tmp_path: Path) -> None:
    warehouse = Warehouse.of(load_pipeline(config))
    before = snapshot(spark, warehouse, "corpus", "corpus_rejects")
    (tmp_path / "s.tsv").write_text("another text\t1\n" * (10 * ROWS), encoding="utf-8")

    status = kill_while_writing("ingest_corpus", config, tmp_path / "warehouse" / "corpus")

    assert status == -signal.SIGKILL
    assert snapshot(spark, warehouse, "corpus", "corpus_rejects") == before


def test_killed_score(spark: SparkSession, config: Path, tmp_path: Path) -> None:
    from jobs import score_table

    texts = spark.range(40).selectExpr("id", "if(id % 8 = 0, null, 'good food') AS text")
    texts.write.parquet(str(tmp_path / "input"))
    assert score_table.main(["--config", str(config), "--date", "2026-01-01"]) == 0
    warehouse = Warehouse.of(load_pipeline(config))
    before = snapshot(spark, warehouse, "results", "results_rejects")
    spark.range(ROWS).selectExpr("id", "'bad place' AS text").write.mode("overwrite").parquet(str(tmp_path / "input"))

    status = kill_while_writing("score_table", config, tmp_path / "warehouse" / "_staging")

    assert status == -signal.SIGKILL
    assert snapshot(spark, warehouse, "results", "results_rejects") == before
