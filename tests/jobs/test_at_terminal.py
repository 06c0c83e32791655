"""Real jobs at a real terminal: nothing but their own lines, a summary, and a next command that works when copied."""

import json
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.factories.terminals import Session, at_terminal
from tests.processes import ROOT

WRAPPER = ROOT / "spark-submit.sh"
SECONDS = r"(\d+\.\d s|\d+:\d\d)"
RUN = r"  run \d{8}T\d{6}-[0-9a-f]{8}"
MOVING = re.compile(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] (start Spark|ingest|vocabulary|record) ")
# The tests' own Java options would make Java name them at its start.
ENVIRON = {"TEXTCLF_PYTHON": sys.executable, "JDK_JAVA_OPTIONS": "", "NO_COLOR": "", "TEXTCLF_LOGS": ""}
TEXTS = [*["good food", "really good", "bad food", "bad service"] * 10, ""]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with labelled texts, texts to score and a pipeline file; its name is short, as lines are 80 wide."""
    with tempfile.TemporaryDirectory() as short:
        yield written(Path(short))


def written(made: Path) -> Path:
    lines = [json.dumps({"text": text, "label": text[:4]}) for text in TEXTS]
    made.joinpath("reviews.jsonl").write_text("\n".join(lines) + "\n")
    pq.write_table(pa.table({"id": range(len(TEXTS)), "text": TEXTS}), made / "texts.parquet")
    made.joinpath("my pipeline.toml").write_text(
        'warehouse = "warehouse"\n[[sources]]\nname = "reviews"\npath = "reviews.jsonl"\nformat = "jsonl"\n'
        '[search]\narchitecture = "logistic_regression"\n[nightly]\nbuild = "train"\n'
        '[score]\ninput = "texts.parquet"\nid = "id"\ntext = "text"\nmodel = "reviews"\n'
    )
    return made


def submit(folder: Path, *words: str, columns: int = 80, **environ: str) -> Session:
    command = [WRAPPER, "--master", "local[2]", *words, "--config", "my pipeline.toml"]
    return at_terminal(command, columns, cwd=folder, environ=ENVIRON | environ)


def copied(done: Session, folder: Path) -> list[str]:
    """Return the words of the command that a summary ends with, as a shell in this folder would run it."""
    assert done.shown[-2] == "next", done.shown
    return shlex.split(done.shown[-1])


def check_lines(shown: list[str], expected: list[str]) -> None:
    wrong = [(line, form) for line, form in zip(shown, expected, strict=False) if not re.fullmatch(form, line)]
    assert (wrong, len(shown)) == ([], len(expected)), shown


def test_a_job_shows_its_own_lines_alone_and_the_next_command_can_be_copied(folder: Path) -> None:
    done = submit(folder, "ingest_corpus")

    assert done.code == 0, done.written
    tables = [rf"  {name} +{re.escape(str(folder))}/warehouse/{name}" for name in ("corpus", "corpus_rejects")]
    check_lines(done.shown, [
        rf"✓ start Spark +{SECONDS}", rf"✓ ingest +41 rows  {SECONDS}", rf"✓ ingest_corpus succeeded, {SECONDS}", RUN,
        "  source   read  accepted  rejected", "  reviews    41        40         1",
        "why rejected", "  reviews  empty_text 1", "tables", *tables, "next", ".*",
    ])  # fmt: skip
    assert [line for line in done.drawn if line not in done.shown and not MOVING.match(line)] == []

    # The next command at a narrow terminal, as it was shown.
    following = at_terminal(copied(done, folder), 40, cwd=folder, environ=ENVIRON)
    assert following.code == 0, following.written
    check_lines(following.shown, [
        rf"✓ start Spark +{SECONDS}", rf"✓ vocabulary +40 rows  {SECONDS}", rf"✓ build_vocabulary succeeded, {SECONDS}",
        RUN, "  reviews", r"    rows 40, training 30, test 10,", r"    words 5, tokens \d+", "tables",
        "  tokens", f"{folder}/warehouse/tokens", "  vocabulary", f"{folder}/warehouse/vocabulary", "next", ".*",
    ])  # fmt: skip
    moving = [line for line in following.drawn if line not in following.shown and not line.startswith(str(WRAPPER)[:9])]
    assert [line for line in moving if len(line) >= 40 and str(folder) not in line] == []
    assert copied(following, folder)[3:] == ["train_model", "--config", "my pipeline.toml"]


def test_json_keeps_the_record_and_nothing_else_at_a_terminal(folder: Path) -> None:
    done = submit(folder, "ingest_corpus", "--json")

    assert done.code == 0, done.written
    assert "\x1b" not in done.written
    (line,) = done.shown
    record: dict[str, Any] = json.loads(line)
    assert (record["job"], record["status"], record["input_rows"]) == ("ingest_corpus", "succeeded", 41)


def test_an_error_before_spark_starts_is_told_in_the_form_of_the_terminal(tmp_path: Path) -> None:
    for columns in (80, 40):
        done = submit(tmp_path, "ingest_corpus", columns=columns)
        assert done.code == 2
        assert done.shown[0].startswith("ingest_corpus: ")
        assert any(re.fullmatch(rf"✗ ingest_corpus failed, {SECONDS}", line) for line in done.shown)
        assert "next" not in done.shown

    logs = submit(tmp_path, "ingest_corpus", TEXTCLF_LOGS="json")
    said, record = map(json.loads, logs.shown)
    assert (said["level"], record["status"]) == ("error", "failed")
    assert "\x1b" not in logs.written


def test_each_stream_gets_what_belongs_there(tmp_path: Path) -> None:
    command, log, out = [WRAPPER, "ingest_corpus", "--config", "nowhere.toml"], tmp_path / "log", tmp_path / "out"

    done = at_terminal(command, cwd=tmp_path, environ=ENVIRON, error=log)
    assert any(line.startswith("✗ ingest_corpus failed") for line in done.shown)
    assert log.read_text().startswith("ingest_corpus: ")
    assert "\x1b" not in log.read_text()

    done = at_terminal(command, cwd=tmp_path, environ=ENVIRON, output=out)
    assert done.shown[0].startswith("ingest_corpus: ")
    assert json.loads(out.read_text().splitlines()[-1])["status"] == "failed"


@pytest.mark.long
def test_the_whole_road_is_walked_by_copying_the_next_command(folder: Path) -> None:
    done, jobs = submit(folder, "ingest_corpus"), ["ingest_corpus"]
    while "next" in done.shown:
        words = copied(done, folder)
        jobs.append(words[words.index("--config") - 1] if "query" not in words else "query")
        done = at_terminal(words, cwd=folder, environ=ENVIRON)
        assert done.code == 0, done.written

    assert jobs == ["ingest_corpus", "build_vocabulary", "train_model", "score_table", "report", "query"]
    assert any("reviews" in line and "40" in line for line in done.shown), done.shown
