"""Every output of the process shows names unchanged, and never shows paths or passwords."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import explain_row, ingest_corpus, nightly, show_run
from tests.environments import environment
from tests.factories.pipeline_folder import RunJob
from textclf.chain.earlier_runs import past
from textclf.cli import main as cli
from textclf.config import load_pipeline
from textclf.storage import Warehouse
from textclf.workflow.runner import Job, parser, run

TEAM, PASSWORD = "yelp_team", 'hunter2\'s "pass\\word"'
CONFIG = """
warehouse = "${PLACE}/warehouse"
[[sources]]
name = "${TEAM}"
path = "${PLACE}/reviews.tsv"
format = "tsv"
columns = ["text", "label"]
[score]
input = "${PLACE}/warehouse/corpus"
id = "position"
source = "source"
[metrics]
file = "${PLACE}/${TEAM}.prom"
pushgateway = "http://ana:${PW}@127.0.0.1:9/x?token=abc"
[mlflow]
tracking_uri = "https://ana:pa/ss-0f-ours@mlflow.example"
"""
LITERAL = "pa/ss-0f-ours"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a secret name and a source of two rows; the pipeline file refers to it by a variable."""
    folder = tmp_path / "hunter2-place"
    folder.mkdir()
    for name, value in {"PLACE": str(folder), "TEAM": TEAM, "PW": PASSWORD}.items():
        monkeypatch.setenv(name, value)
    (folder / "reviews.tsv").write_text("good food\t1\nbad food\t0\n", encoding="utf-8")
    (tmp_path / "pipeline.toml").write_text(CONFIG, encoding="utf-8")
    return folder


def leaks(said: str, place: Path) -> list[str]:
    every = (str(place), PASSWORD, json.dumps(PASSWORD)[1:-1], repr(PASSWORD)[1:-1], LITERAL, "token=abc", "ana:")
    return [secret for secret in every if secret in said]


def trace(argv: list[str]) -> int:
    """Run a job that fails with an unexpected exception whose message contains secrets."""

    def work(job: Job) -> None:
        password = job.pipeline.metrics.pushgateway
        raise ValueError(f"at {password} of {job.warehouse.root} with {[PASSWORD]}:\nsecond line {LITERAL}")

    return run("ingest_corpus", parser("ingest_corpus", "a job that fails"), work, argv)


def test_what_leaves_the_process_is_masked_and_names_are_read_back(
    spark: SparkSession,
    place: Path,
    run_job: RunJob,
    capfd: pytest.CaptureFixture[str],
) -> None:
    config = place.parent / "pipeline.toml"
    asked = ("--config", config)

    def command(*argv: object) -> str:
        capfd.readouterr()
        cli.main([str(word) for word in argv])
        return "".join(capfd.readouterr())

    with environment({}):
        ways: dict[str, str] = {}
        code, record, ways["log"] = run_job(ingest_corpus, *asked)
        assert code == 0, ways["log"]
        assert list(record["details"]["sources"]) == [TEAM]
        assert record["tables"]["corpus"] == "${PLACE}/warehouse/corpus"
        assert "The metrics of this run were not exported" in ways["log"]
        ways["record"] = json.dumps(record, ensure_ascii=False)
        pipeline = load_pipeline(config)
        found = past(spark, Warehouse.of(pipeline))
        assert dict(found.ingested[TEAM].figures)["accepted"] == 2

        shown, _, ways["show_run"] = run_job(show_run, *asked, record["run_id"])
        assert (shown, f'"{TEAM}": {{' in ways["show_run"]) == (0, True)
        code, plan, ways["dry run"] = run_job(nightly, *asked, "--dry-run", "--date", "2026-01-31")
        assert (
            code,
            [line for line in plan["details"]["plan"] if line.startswith("ingest") and "skip" not in line],
        ) == (
            0,
            [],
        ), "the source has been read before"
        _, _, ways["explain_row"] = run_job(explain_row, *asked, "99")

        (place / "reviews.tsv").rename(place / "moved.tsv")
        code, night, ways["night's log"] = run_job(nightly, *asked, "--date", "2026-01-31")
        assert code
        ways["night"] = json.dumps(night, ensure_ascii=False)
        ways["status file"] = (place / "warehouse/nightly.json").read_text()
        assert "Source ${TEAM} cannot be read." in ways["status file"]
        for form in ("text", "json"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("TEXTCLF_LOGS", form)
                capfd.readouterr()
                assert trace(["--config", str(config)]) == 1
                ways[f"trace {form}"] = "".join(capfd.readouterr())
        assert "second line" in ways["trace text"]
        for name, argv in {"check": (), "check --json": ("--json",)}.items():
            ways[name] = command("check", *asked, *argv)
        assert f"source {TEAM}" in ways["check"]
        ways["query"] = command("query", f"SELECT * FROM nothing -- {place}", *asked)
        ways["predict"] = command("predict", "good", *asked)
        assert "There are no models." in ways["predict"]
        rows = Warehouse.of(pipeline).location("runs").read(spark).collect()
        ways["runs"] = json.dumps([row.asDict() for row in rows], default=str, ensure_ascii=False)
        ways["metrics"] = (place / f"{TEAM}.prom").read_text()
    assert {name: left for name, said in ways.items() if (left := leaks(said, place))} == {}
