"""The status file while a step runs, and of a night that fails before its first step."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import nightly
from tests.factories.pipeline_folder import RunJob
from textclf.common.output_files import OutputFile
from textclf.errors import TextclfError
from textclf.nightly.status_file import Status, _is_ours
from textclf.runs.record import RunRecord
from textclf.spark import cancellation
from textclf.storage import Location
from textclf.storage.run_points import listening

OTHER = {"run_id": "the-other-run", "state": "running", "host": os.uname().nodename, "pid": os.getppid()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "warehouse").mkdir()
    return tmp_path / "warehouse/nightly.json"


@pytest.fixture
def config(write_config: Callable[[str], Path]) -> Path:
    return write_config('[[sources]]\nname = "s"\npath = "s.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n')


def said(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_progress_counts_what_is_done_once(path: Path) -> None:
    status = Status(OutputFile(str(path)), RunRecord("nightly"), ["2026-01-05"], {}, {})
    status.begin("ingest")
    status.expect(3, "never read")
    for source in ("shop", "films", "shop"):  # shop twice: the second is a retry
        status.advance(source)
    assert said(path)["progress"] == {"done": 2, "of": 3}
    status.end("done")
    assert said(path)["progress"] == {"done": 3, "of": 3}
    status.begin("models")
    assert said(path)["progress"] == {"done": 0, "of": 0}


def test_a_search_counts_trials_and_writes_about_once_a_second(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("textclf.nightly.status_file.time.monotonic", lambda: now[0])
    status = Status(OutputFile(str(path)), RunRecord("nightly"), [], {}, {})
    status.begin("models")
    status.expect(2, "no model yet")
    status.count(1, 40)
    assert said(path)["progress"] == {"done": 0, "of": 2}
    now[0] += 1.0
    status.count(2, 40)
    assert said(path)["progress"] == {"done": 2, "of": 40}


@pytest.fixture
def no_session(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Make sessions fail to start; return the status file's content at each attempt."""
    seen = []

    def start(*args: object, **kwargs: object) -> None:
        seen.append(said(path))
        raise TextclfError("There is no Java.", fix="install one")

    monkeypatch.setattr("textclf.workflow.runner.open_session", start)
    return seen


def test_a_session_that_does_not_start_is_in_the_file(
    path: Path, config: Path, no_session: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    path.write_text(json.dumps({"run_id": "last-night", "state": "succeeded"}))

    assert nightly.main(["--config", str(config), "--date", "2026-01-05"]) == 1

    run_id = json.loads(capfd.readouterr().out)["run_id"]
    assert [(each["run_id"], each["state"], each["step"]) for each in no_session] == [(run_id, "running", "start")]
    found = said(path)
    assert (found["run_id"], found["state"], found["exit_code"]) == (run_id, "failed", 1)
    assert (found["error"], found["days"]) == ("There is no Java.", ["2026-01-05"])


@pytest.mark.parametrize(
    ("there", "kept"),
    [
        (OTHER, True),
        (OTHER | {"host": "elsewhere", "pid": 1}, True),
        (OTHER | {"pid": 1 << 30}, False),  # killed: no process has this ID
        ({}, False),
    ],
)
def test_the_file_of_a_night_at_work_is_left_to_it(
    path: Path, config: Path, no_session: list[dict[str, Any]], there: dict[str, Any], kept: bool
) -> None:
    path.write_text(json.dumps(there))

    assert nightly.main(["--config", str(config)]) == 1

    assert len(no_session) == 1
    assert (said(path) == there) is kept


def test_a_look_at_what_a_night_would_do_leaves_the_file(
    path: Path, config: Path, no_session: list[dict[str, Any]]
) -> None:
    path.write_text(json.dumps({"run_id": "last-night"}))

    assert nightly.main(["--config", str(config), "--dry-run"]) == 1

    assert said(path) == {"run_id": "last-night"}


def test_ctrl_c_within_a_night_is_in_the_file_the_record_and_the_last_line(
    spark: SparkSession, config: Path, path: Path, tmp_path: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.tsv").write_text("good food\t1\nbad food\t0\n" * 10, encoding="utf-8")
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def listen(point: str) -> None:
        if point == "recording" and not asked:
            asked.append(point)
            os.kill(os.getpid(), signal.SIGINT)

    asked: list[str] = []
    with listening(listen):
        code, record, text = run_job(nightly, "--config", config, "--date", "2026-01-05")

    assert (code, record["status"], said(path)["state"], said(path)["exit_code"]) == (1, "stopped", "stopped", 1)
    assert "start it again" in text
    runs = Location(path=f"{path.parent}/runs").read(spark).collect()
    assert {row["job"]: row["status"] for row in runs} == {"ingest_corpus": "succeeded", "nightly": "stopped"}
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_second_ctrl_c_leaves_no_file_that_says_running(
    config: Path, path: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt  # as a second Ctrl-C does, at any point of the run

    monkeypatch.setattr("textclf.workflow.runner.open_session", interrupted)
    code, record, _ = run_job(nightly, "--config", config, "--date", "2026-01-05")
    assert (code, record["status"], said(path)["state"]) == (1, "stopped", "stopped")


def test_what_a_shell_started_in_the_background_goes_on_ignoring_ctrl_c() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with cancellation.stoppable():
            os.kill(os.getpid(), signal.SIGINT)
            cancellation.listen()
            assert not cancellation.asked()
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("content", "begun", "ours"),
    [
        (None, False, True),
        (None, True, False),
        ("[]", False, False),  # a file of something else
        ("{", False, False),
        ('{"run_id": "r", "state": "running"}', True, True),
        ('{"run_id": "r", "state": "failed"}', False, False),
        ('{"run_id": "other", "state": "succeeded"}', False, True),
        ('{"run_id": "other", "state": "running", "host": "another"}', False, False),
    ],
)
def test_a_run_ends_only_a_file_that_is_its_own(path: Path, content: str | None, begun: bool, ours: bool) -> None:
    if content is not None:
        path.write_text(content)

    assert _is_ours(OutputFile(str(path)), "r", begun=begun) is ours
