"""All jobs and commands in folders whose names have characters special to Spark, Hadoop, TOML or a shell."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import (
    build_vocabulary,
    explain_row,
    ingest_corpus,
    maintain_tables,
    nightly,
    report,
    score_table,
    search_models,
    show_run,
    train_model,
)
from tests.factories.pipeline_folder import RunJob
from textclf.cli import main as cli
from textclf.config.load import literal

PLACE = "we,ird [x] {y} \\z %41 #h ?q *s 'q' \"d\" é東;&=+@!$(~) ${HOME}"
DAY = "2026-01-05"
CONFIG = """
warehouse = {warehouse}
[[sources]]
name = "tsv"
path = {tsv}
format = "tsv"
columns = ["text", "label"]
[[sources]]
name = "quoted"
path = {csv}
format = "csv"
columns = ["text", "label"]
[[sources]]
name = "columns"
path = {parquet}
format = "parquet"
[[sources]]
name = "delta"
path = {delta}
format = "delta"
[search]
architecture = "logistic_regression"
folds = 2
[nightly]
build = "train"
[gate]
max_unknown = 1.0
[score]
input = {input}
id = "id"
text = "text"
model = "tsv"
[report]
texts = true
[metrics]
file = {metrics}
"""


def written(place: Path) -> str:
    return json.dumps(literal(str(place)), ensure_ascii=False)


@pytest.fixture
def place(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder named ``PLACE`` with inputs and a pipeline file; it is the working folder, HOME and TMPDIR."""
    folder = tmp_path / PLACE
    (folder / "in").mkdir(parents=True)
    (folder / "in" / f"{PLACE}.tsv").write_text("good place\t1\nbad food\t0\n" * 20 + "no label\n", encoding="utf-8")
    (folder / "in" / f"{PLACE}.csv").write_text('"good, place",1\n"bad\nfood",0\n' * 20, encoding="utf-8")
    rows = [(number, "good place" if number % 2 else "bad food", str(number % 2)) for number in range(40)]
    frame = spark.createDataFrame(rows, "id long, text string, label string").coalesce(1)
    frame.write.parquet(f"{tmp_path}/parquet")
    frame.write.format("delta").save(f"{tmp_path}/delta")
    for name in ("parquet", "delta"):
        (tmp_path / name).rename(folder / "in" / f"{name}{PLACE}")
    places = {
        "warehouse": folder / f"ware{PLACE}",
        "tsv": folder / "in" / f"{PLACE}.tsv",
        "csv": folder / "in" / f"{PLACE}.csv",
        "parquet": folder / "in" / f"parquet{PLACE}",
        "delta": folder / "in" / f"delta{PLACE}",
        "input": folder / "in" / f"delta{PLACE}",
        "metrics": folder / f"{PLACE}.prom",
    }
    text = CONFIG.format(**{name: written(path) for name, path in places.items()})
    (folder / f"{PLACE}.toml").write_text(text, encoding="utf-8-sig")  # with a byte order mark, as on Windows
    monkeypatch.chdir(folder)
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(folder))
    return folder


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_all_jobs_and_commands_work_in_any_folder(
    place: Path, run_job: RunJob, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, warehouse = f"{PLACE}.toml", place / f"ware{PLACE}"
    outside = set(place.parent.iterdir())

    def job(module: Any, *argv: object) -> dict[str, Any]:
        code, record, said = run_job(module, "--config", config, *argv)
        assert code == 0, said
        return record

    def command(*argv: object) -> str:
        capfd.readouterr()
        code = cli.main([str(word) for word in argv])
        out, err = capfd.readouterr()
        assert code == 0, out + err
        return out

    ingested = job(ingest_corpus)
    assert {name: (each["accepted"], each["rejected"]) for name, each in ingested["details"]["sources"].items()} == {
        "tsv": (40, 1), "quoted": (40, 0), "columns": (40, 0), "delta": (40, 0),
    }  # fmt: skip
    job(build_vocabulary)
    job(train_model, "--promote", "--figures", PLACE)
    job(search_models, "--source", "tsv", "--figures", PLACE)
    scored = job(score_table, "--date", DAY)
    assert (scored["input_rows"], scored["scored_rows"]) == (40, 40)
    again = job(score_table, "--date", "2026-01-06", "--output", f"{PLACE}/out", "--changed-only", "--evidence")
    assert again["scored_rows"] == 40
    job(show_run, scored["run_id"])
    job(explain_row, "7")
    job(report, "--run", scored["run_id"])
    job(nightly, "--date", DAY)
    job(maintain_tables)

    assert "wrong" not in command("check", "--config", config)
    assert "40" in command("query", "SELECT count(*) FROM results", "--config", config)
    assert "tsv" in command("models", "list", "--config", config)
    assert command("predict", "good place", "--config", config).startswith("1\t")
    command("init", f"in/{PLACE}.tsv", f"in/{PLACE}.csv", "--score", f"in/delta{PLACE}", "--output", f"{PLACE}2.toml",
            "--warehouse", f"ware{PLACE}")  # fmt: skip
    assert "wrong" not in command("check", "--config", f"{PLACE}2.toml")

    # No other folder was created, such as one whose name was decoded, truncated or split.
    assert set(place.parent.iterdir()) == outside
    assert set(os.listdir(warehouse)) >= {"corpus", "models", "results", "runs"}
    ours = (".", "ware", "in", PLACE)  # a dot: files of libraries in HOME
    assert [name for name in os.listdir(place) if not name.startswith(ours)] == []
