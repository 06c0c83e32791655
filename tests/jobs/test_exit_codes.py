"""The message and exit code of each job when it fails."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import build_vocabulary, ingest_corpus, maintain_tables, nightly, report, run, score_table, train_model
from tests.factories.pipeline_folder import RunJob
from textclf._version import code_version

WriteConfig = Callable[[str], Path]

SOURCE = '[[sources]]\nname = "s"\npath = "{path}"\nformat = "tsv"\ncolumns = ["text", "label"]\n'


@pytest.fixture
def config(write_config: WriteConfig, tmp_path: Path) -> Path:
    (tmp_path / "s.tsv").write_text("good\t1\nbad\t0\n\n", encoding="utf-8")
    return write_config(SOURCE.format(path=tmp_path / "s.tsv"))


def test_a_run_ends_with_its_record(spark: SparkSession, run_job: RunJob, config: Path, tmp_path: Path) -> None:
    code, record, _ = run_job(ingest_corpus, "--config", config)

    assert code == 0
    assert (record["job"], record["status"]) == ("ingest_corpus", "succeeded")
    assert (record["input_rows"], record["rejected_rows"], record["details"]["accepted_rows"]) == (3, 1, 2)
    assert record["tables"]["corpus"] == str(tmp_path / "warehouse" / "corpus")
    kept = spark.read.format("delta").load(str(tmp_path / "warehouse" / "runs")).collect()
    assert [(row["run_id"], row["status"], row["input_rows"]) for row in kept] == [(record["run_id"], "succeeded", 3)]
    assert json.loads(kept[0]["details"])["code_version"] == record["code_version"] == code_version()


@pytest.mark.parametrize(
    "job", [ingest_corpus, build_vocabulary, train_model, score_table, maintain_tables, nightly, run, report]
)
@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "the following arguments are required: --config"),
        (["--config", "missing.toml"], "The pipeline file missing.toml cannot be read"),
        (["--config", "x.toml", "--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_a_wrong_command_line_is_2(run_job: RunJob, job: Any, argv: list[str], expected: str) -> None:
    code, _, said = run_job(job, *argv)

    assert code == 2
    assert expected in said


def test_a_wrong_pipeline_file_is_2(run_job: RunJob, write_config: WriteConfig) -> None:
    path = write_config(SOURCE.format(path="x") + "colour = 1\n")

    code, record, said = run_job(ingest_corpus, "--config", path)

    assert (code, record["status"]) == (2, "failed")
    assert "sources[0].colour: unknown key" in said


def test_an_unknown_source_is_2(run_job: RunJob, config: Path) -> None:
    code, record, said = run_job(ingest_corpus, "--config", config, "--source", "t")

    assert (code, record["status"]) == (2, "failed")
    assert "received: --source t" in said
    assert "expected: one of: s" in said


@pytest.mark.parametrize(
    ("job", "argv", "expected"),
    [
        (build_vocabulary, [], "run the job ingest_corpus first"),
        (train_model, [], "run the job ingest_corpus first"),
        (score_table, ["--input", "nowhere", "--model", "s"], "s"),
    ],
)
def test_a_step_too_early_is_3(
    spark: SparkSession, run_job: RunJob, config: Path, job: Any, argv: list[str], expected: str
) -> None:
    code, record, said = run_job(job, "--config", config, *argv)

    assert (code, record["status"]) == (3, "failed")
    assert expected in said


def test_unusable_input_is_3_and_recorded(
    spark: SparkSession, run_job: RunJob, write_config: WriteConfig, tmp_path: Path
) -> None:
    code, record, said = run_job(ingest_corpus, "--config", write_config(SOURCE.format(path=tmp_path / "none")))

    assert code == 3
    assert "Source s cannot be read." in said
    assert record["error"] == "Source s cannot be read."
    kept = spark.read.format("delta").load(str(tmp_path / "warehouse" / "runs")).collect()
    assert [(row["status"], row["error"]) for row in kept] == [("failed", "Source s cannot be read.")]


def test_anything_else_is_1(spark: SparkSession, run_job: RunJob, write_config: WriteConfig, tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("good\t1\n", encoding="utf-8")
    path = write_config(SOURCE.format(path=tmp_path / "s.tsv"))
    (tmp_path / "warehouse").write_text("a file where the warehouse should be", encoding="utf-8")

    code, record, said = run_job(ingest_corpus, "--config", path)

    assert (code, record["status"]) == (1, "failed")
    assert "the run record could not be written" in said
