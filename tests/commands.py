"""Check commands in documents and settings by passing them to the real parsers."""

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
    """Run a job with a missing pipeline file, which it reads last; return its exit code and standard error."""
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
    """Assert that a job accepts this command line."""
    assert job in jobs(ROOT), f"there is no job {job}"
    code, said = run_job(job, argv, capfd)
    if "--help" in argv:
        assert code == 0
    else:
        assert (code, "no-such-file.toml cannot be read" in said) == (2, True), said


def assert_quiet(said: str) -> None:
    """Assert that the output of a successful run contains no errors."""
    assert "Traceback" not in said, said
    assert '"level": "ERROR"' not in said, said


def check_command(line: str, capfd: pytest.CaptureFixture[str]) -> bool:
    """Assert that a command line of ours is valid; return False if the command is not ours."""
    words = shlex.split(line, comments=True)
    if WRAPPER in words:
        submission = parse(words[words.index(WRAPPER) + 1 :], {})
        check_job(submission.job, submission.arguments, capfd)
        return True
    if words[:1] == ["textclf"]:
        cli.parser().parse_args(words[1:])  # exits with 2 on an unknown argument
        return True
    return False
