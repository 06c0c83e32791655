"""Commands in documents and settings: each word of them is asked of the parser that will read it."""

import importlib
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from textclf.cli import main as cli
from textclf.spark.launch.submit import jobs
from textclf.spark.submit_options import parse

ROOT = Path(__file__).parents[1]
WRAPPER = "./spark-submit.sh"


def run_job(job: str, argv: Sequence[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and standard error of a job whose pipeline file is not there: all else has been read by then."""
    words, missing = list(argv), "no-such-file.toml"
    if "--config" in words:
        words[words.index("--config") + 1] = missing
    capfd.readouterr()
    try:
        code: int = importlib.import_module(f"jobs.{job}").main(words)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, capfd.readouterr().err


def check_job(job: str, argv: Sequence[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Assert that a job takes this command line."""
    assert job in jobs(ROOT), f"there is no job {job}"
    code, said = run_job(job, argv, capfd)
    if "--help" in argv:
        assert code == 0
    else:
        assert (code, "no-such-file.toml cannot be read" in said) == (2, True), said


def assert_quiet(said: str) -> None:
    """Assert that a run that ended with 0 has said nothing of errors."""
    assert "Traceback" not in said, said
    assert '"level": "ERROR"' not in said, said


def check_command(line: str, capfd: pytest.CaptureFixture[str]) -> bool:
    """Assert that a command line is one that we have; False for one that is none of ours."""
    words = shlex.split(line, comments=True)
    if WRAPPER in words:
        submission = parse(words[words.index(WRAPPER) + 1 :], {})
        check_job(submission.job, submission.arguments, capfd)
        return True
    if words[:1] == ["textclf"]:
        cli.parser().parse_args(words[1:])  # exits with 2 on a word that it does not know
        return True
    return False
