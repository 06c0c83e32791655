"""What the demo shows is what it runs."""

import pytest

from tests.commands import ROOT, check_command
from textclf.config import load_pipeline
from textclf.examples.demo import say_what_it_stands_for


@pytest.mark.parametrize("config", ["conf/sample.toml", "conf/uci.toml"])
def test_the_single_jobs_are_those_that_run_stands_for(config: str, capfd: pytest.CaptureFixture[str]) -> None:
    say_what_it_stands_for(config)
    lines = [line.strip() for line in capfd.readouterr().out.splitlines() if "./spark-submit.sh" in line]
    assert len(lines) == 5
    assert all(check_command(line, capfd) for line in lines)
    # A search would take minutes.
    assert load_pipeline(ROOT / config, {"TEXTCLF_DATA": "/data"}).builds_by == "train"
    assert [line for line in lines if "train_model" in line]
