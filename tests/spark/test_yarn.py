"""YARN's cluster mode: what the driver gets, and which exit code comes back."""

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from textclf.errors import ConfigError
from textclf.spark.launch.yarn import for_driver_there, run_there

_SOURCE = '[[sources]]\nname = "a"\npath = "/in/a.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
_PIPELINE = f'warehouse = "hdfs:///w"\n{_SOURCE}'
_STATUS = "ERROR Client: Application diagnostics message: User application exited with status 4"
_EXITED = "diagnostics: AM Container for appattempt_1_0001_000001 exited with  exitCode: {code}"


def _ended(*lines: str, code: int = 1) -> list[str]:
    printed = "\\n".join(("INFO Client: Submitting application application_17_0001", *lines))
    return [sys.executable, "-c", f"import sys; sys.stderr.write('{printed}\\n'); sys.exit({code})"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([_STATUS], 4),
        ([_EXITED.format(code=3)], 3),
        ([_STATUS, _EXITED.format(code=3)], 4),
        ([_EXITED.format(code=13)], 1),  # the application master's own
        (["ERROR Client: the cluster is gone"], 1),
        (["User application exited with status 0"], 1),
        (["User application exited with status 143"], 143),
    ],
)
def test_the_exit_code_is_the_jobs_where_yarn_tells_it(
    lines: list[str], expected: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_there(_ended(*lines), {}) == expected

    said = capfd.readouterr().err
    assert all(line in said for line in lines)
    assert f"application_17_0001 has ended with exit code {expected}; what the job said: yarn logs" in said


def test_a_success_stays_one() -> None:
    assert run_there(_ended("a log line about exitCode: 3", code=0), {}) == 0


def test_an_end_by_a_signal_is_told_as_shells_do() -> None:
    assert run_there([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], {}) == 137


@pytest.mark.parametrize(
    "given",
    [["--config", "{file}", "--date", "x"], ["--config={file}", "--date", "x"], ["--conf", "{file}", "--date", "x"]],
)
def test_the_pipeline_file_travels_with_the_job(tmp_path: Path, given: list[str]) -> None:
    file = tmp_path / "a, b#c.toml"
    file.write_text(_PIPELINE)

    arguments, (shipped,) = for_driver_there([word.format(file=file) for word in given], {})

    assert arguments == ["--config", "pipeline.toml", "--date", "x"]
    url, name = shipped.split("#")
    assert name == "pipeline.toml"
    assert Path(unquote(urlparse(url).path)).read_text() == _PIPELINE
    assert "," not in url


def test_without_a_pipeline_file_nothing_is_shipped() -> None:
    assert for_driver_there(["--help"], {}) == (["--help"], [])


def test_relative_paths_are_refused_all_at_once(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.toml"
    body = '[score]\ninput = "in/texts"\n[metrics]\nfile = "out.prom"\n[nightly]\nstatus = "/var/status.json"\n'
    file.write_text(_PIPELINE.replace("hdfs:///w", "warehouse") + body)

    with pytest.raises(ConfigError) as raised:
        for_driver_there(["--config", str(file), "--output", "out/results", "--input", "a_table"], {})

    expected = "warehouse = warehouse; metrics.file = out.prom; score.input = in/texts; --output = out/results"
    assert raised.value.received == f"{file}: {expected}"
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    "given", [["--output", "page.html"], ["--output=page.html"], ["--outp", "page.html"], ["--figures", "plots"]]
)
def test_a_file_in_the_folder_of_the_driver_would_be_lost(tmp_path: Path, given: list[str]) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text(_PIPELINE)
    with pytest.raises(ConfigError, match="lead nowhere"):
        for_driver_there(["--config", str(file), *given], {})


def test_variables_of_the_pipeline_file_are_those_of_the_driver_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text(_PIPELINE.replace("hdfs:///w", "${PLACE}"))
    monkeypatch.delenv("PLACE", raising=False)
    arguments, settings = ["--config", str(file)], {"spark.yarn.appMasterEnv.PLACE": "hdfs:///w"}
    with pytest.raises(ConfigError, match="PLACE is not set"):
        for_driver_there(arguments, {})
    assert for_driver_there(arguments, settings)[0] == ["--config", "pipeline.toml"]
    monkeypatch.setenv("PLACE", "relative")
    assert for_driver_there(arguments, settings)[0] == ["--config", "pipeline.toml"]


def test_a_wrong_pipeline_file_is_refused_before_anything_is_sent(write_config: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"has 1 mistake"):
        for_driver_there(["--config", str(write_config(""))], {})
