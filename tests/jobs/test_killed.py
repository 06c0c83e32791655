"""A job killed in the middle leaves the published tables as they were."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.soak.random_kills import descendants
from textclf.config import load_pipeline
from textclf.corpus.ingest import ingest_corpus
from textclf.corpus.vocabulary import build_vocabulary
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse
from textclf.training.train import train_model
from textclf.workflow.maintenance import clear_staging

WriteConfig = Callable[[str], Path]
ROOT = Path(__file__).parents[2]
ROWS = 300_000  # enough that the job is still writing when the kill arrives


def kill_while_writing(job: str, config: Path, folder: Path, pattern: str = "**/*.parquet", *flags: str) -> int:
    """Start a job, kill its process group once a file matches the pattern, and return its exit status."""
    before = set(folder.glob(pattern))
    process = subprocess.Popen(
        [sys.executable, ROOT / "jobs" / f"{job}.py", "--config", config, *flags],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while process.poll() is None and set(folder.glob(pattern)) == before:
            time.sleep(0.02)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def snapshot(spark: SparkSession, warehouse: Warehouse, *names: str) -> dict[str, tuple[int, set[tuple[object, ...]]]]:
    """Return the version and the rows of each table."""
    places = {name: warehouse.location(name) for name in names}
    return {
        name: (place.version(spark), {tuple(row) for row in place.read(spark).collect()})
        for name, place in places.items()
    }


@pytest.fixture
def config(write_config: WriteConfig, tmp_path: Path, spark: SparkSession) -> Path:
    """Return a pipeline file with a corpus, a model and results, whose inputs have grown since."""
    source = tmp_path / "s.tsv"
    source.write_text("good place\t1\nbad food\t0\nno label\n" * 20, encoding="utf-8")
    path = write_config(
        f'[[sources]]\nname = "s"\npath = "{source}"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
        f'[score]\ninput = "{tmp_path / "input"}"\nmodel = "s"\n'
    )
    pipeline = load_pipeline(path)
    workspace = Workspace(spark, pipeline)
    ingest_corpus(workspace, "first", pipeline.sources)
    build_vocabulary(workspace, pipeline.sources)
    train_model(workspace, pipeline.sources[0], "logistic_regression", {})
    return path


def test_killed_ingest(spark: SparkSession, config: Path, tmp_path: Path) -> None:
    warehouse = Warehouse.of(load_pipeline(config))
    before = snapshot(spark, warehouse, "corpus", "corpus_rejects")
    (tmp_path / "s.tsv").write_text("another text\t1\n" * (10 * ROWS), encoding="utf-8")

    status = kill_while_writing("ingest_corpus", config, tmp_path / "warehouse" / "corpus")

    assert status == -signal.SIGKILL
    assert snapshot(spark, warehouse, "corpus", "corpus_rejects") == before


@pytest.mark.long
def test_a_job_whose_jvm_is_killed_says_so(config: Path, tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("another text\t1\n" * (10 * ROWS), encoding="utf-8")
    folder = tmp_path / "warehouse" / "corpus"
    before = set(folder.glob("**/*.parquet"))
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, str(ROOT / "jobs" / "ingest_corpus.py"), "--config", str(config)]
        environ = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
        while process.poll() is None and set(folder.glob("**/*.parquet")) == before:
            time.sleep(0.02)
        (jvm,) = (pid for pid, line in descendants(process.pid) if "SparkSubmit" in line)
        os.kill(jvm, signal.SIGKILL)
        out, _ = process.communicate(timeout=120)

    said = (tmp_path / "log").read_text()
    assert process.returncode == 1, said
    assert json.loads(out.splitlines()[-1])["status"] == "failed"
    assert "Spark's JVM on this machine has ended while the run needed it." in said
    assert "exit status is -9" in said
    assert "py4j" not in said.lower()  # PySpark's own server of accumulators still prints a traceback


STAGES = {
    "pass": "results/**/part-*.parquet",
    "audit": "_staging/*/scored/_delta_log/*0.json",
    "publish": "results_rejects/_delta_log/*.json",
}


@pytest.mark.long
def test_killed_score(spark: SparkSession, config: Path, tmp_path: Path) -> None:
    from jobs import score_table

    texts = spark.range(40).selectExpr("id", "if(id % 20 = 0, null, 'good food') AS text")
    texts.write.parquet(str(tmp_path / "input"))
    assert score_table.main(["--config", str(config), "--date", "2026-01-01"]) == 0
    warehouse = Warehouse.of(load_pipeline(config))
    before = snapshot(spark, warehouse, "results", "results_rejects")
    grown = spark.range(ROWS).selectExpr("id", "if(id % 20 = 0, null, 'bad place') AS text")
    grown.write.mode("overwrite").parquet(str(tmp_path / "input"))
    command = ["--config", str(config), "--date", "2026-01-01"]

    for stage, pattern in STAGES.items():
        status = kill_while_writing("score_table", config, tmp_path / "warehouse", pattern, "--date", "2026-01-01")
        assert status == -signal.SIGKILL, stage
        if stage != "publish":
            assert snapshot(spark, warehouse, "results", "results_rejects") == before, stage
    # The last run died between the two commits or just after both: each table is complete, either old or new.
    assert shape(spark, warehouse, "results") in ((38, 1), (ROWS * 19 // 20, 1))
    assert shape(spark, warehouse, "results_rejects") in ((2, 1), (ROWS // 20, 1))

    assert score_table.main(command) == 0  # no lock has to be released first
    assert shape(spark, warehouse, "results") == (ROWS * 19 // 20, 1)
    assert shape(spark, warehouse, "results_rejects") == (ROWS // 20, 1)
    runs = warehouse.location("runs").read(spark).where("job = 'score_table'").groupBy("status").count()
    assert {row["status"]: row["count"] for row in runs.collect()} == {"succeeded": 2, "killed": 3}

    assert len(clear_staging(spark, warehouse, load_pipeline(config).upkeep)) == 3
    assert list((tmp_path / "warehouse").glob("_staging/*")) == []


def shape(spark: SparkSession, warehouse: Warehouse, name: str) -> tuple[int, int]:
    """Return the number of rows of a table and the number of runs that wrote them."""
    rows = warehouse.location(name).read(spark)
    return rows.count(), rows.select("run_id").distinct().count()
