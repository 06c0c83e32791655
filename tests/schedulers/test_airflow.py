"""The DAG in a real Airflow on SQLite, with the real jobs; `make airflow` runs it.

``TEXTCLF_AIRFLOW`` is the Python of an environment with Airflow, whose requirements conflict with ours.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import ROOT, check_job
from textclf.examples.sample_corpus import write_labelled, write_unlabelled

DAG = ROOT / "conf" / "airflow" / "textclf_nightly.py"
STEPS = ("ingest_corpus", "build_vocabulary", "search_models", "score_table", "report")
PIPELINE = """
warehouse = "{folder}/warehouse"
[[sources]]
name = "films"
path = "{folder}/sample/films.jsonl"
format = "jsonl"
[search]
architecture = "logistic_regression"
strategy = "grid"
folds = 2
[score]
input = "{folder}/sample/unlabelled"
model = "films"
date = "ds"
[gate]
max_rejects = {max_rejects}
"""


@dataclass(frozen=True)
class Airflow:
    """An Airflow installation with its own folder.

    Attributes:
        python: Path of the Python that has Airflow.
    """

    python: str
    folder: Path

    def run(self, *words: str, max_rejects: float = 0.1) -> "subprocess.CompletedProcess[str]":
        """Run an Airflow command; ``max_rejects`` is the jobs' limit of rejected rows."""
        config = self.folder / "pipeline.toml"
        config.write_text(PIPELINE.format(folder=self.folder, max_rejects=max_rejects), encoding="utf-8")
        ours = {
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAG.parent),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps({"conn_type": "spark", "host": "local[2]"}),
            "TEXTCLF_CONFIG": str(config),
            "TEXTCLF_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SPARK_HOME")}
        command = [self.python, "-m", "airflow", *words]
        return subprocess.run(
            command, cwd=self.folder, env=environ | ours, capture_output=True, text=True, check=False, timeout=500
        )

    def states(self, done: "subprocess.CompletedProcess[str]") -> dict[str, str]:
        """Return the state of each task of the DAG run that a command started."""
        run_id = re.search(r"manual__\S+?(?=[\s,'\"\]>:]*(?:[\s,'\"\]>]|$))", done.stdout + done.stderr)
        assert run_id is not None, done.stdout[-4000:] + done.stderr[-4000:]
        listed = self.run("tasks", "states-for-dag-run", "textclf_nightly", run_id[0], "--output", "json")
        assert listed.returncode == 0, listed.stderr
        return {row["task_id"]: row["state"] for row in json.loads(listed.stdout[listed.stdout.index("[{") :])}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    python = os.environ.get("TEXTCLF_AIRFLOW")
    if not python:
        pytest.skip("TEXTCLF_AIRFLOW is not set: `make airflow` makes an environment with Airflow and runs this")
    folder = tmp_path_factory.mktemp("airflow")
    write_labelled(folder / "sample")
    write_unlabelled(folder / "sample" / "unlabelled", 20_000)  # rows of the 5th and the 6th, both with nulls
    made = Airflow(python, folder)
    done = made.run("db", "migrate")
    assert done.returncode == 0, done.stderr
    return made


def test_its_steps_are_jobs_of_ours(capfd: pytest.CaptureFixture[str]) -> None:
    source = DAG.read_text()
    compile(source, str(DAG), "exec")

    assert tuple(re.findall(r'job="(\w+)"', source)) == STEPS
    assert re.findall(r'job="(\w+)",\s+flags=\["--date", DAY\]', source) == ["score_table", "report"]
    for job in STEPS:
        flags = ["--date", "2026-01-31"] if job in ("score_table", "report") else []
        check_job(job, ["--config", "FILE", *flags], capfd)


def test_airflow_loads_it(airflow: Airflow) -> None:
    done = airflow.run("dags", "list-import-errors", "--output", "json")
    assert "textclf_nightly.py" not in done.stdout, done.stdout
    shown = airflow.run("tasks", "list", "textclf_nightly")

    assert set(STEPS) <= set(shown.stdout.split()), shown.stdout + shown.stderr


@pytest.fixture(scope="module")
def published(airflow: Airflow) -> Airflow:
    """Run a night that succeeds."""
    # For a run at 02:00 on the 7th, the newest complete interval began at 03:00 on the 5th.
    done = airflow.run("dags", "test", "textclf_nightly", "2026-01-07T02:00:00+00:00", "--conf", '{"search": "always"}')
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    assert airflow.states(done) == dict.fromkeys(STEPS, "success")
    return airflow


@pytest.mark.timeout(1500)
def test_a_night_publishes_the_day_of_its_interval(published: Airflow) -> None:
    assert days(published) == {"2026-01-05"}


@pytest.mark.timeout(1500)
def test_a_night_that_the_gate_refuses_has_failed(published: Airflow) -> None:
    done = published.run("dags", "test", "textclf_nightly", "2026-01-08T02:00:00+00:00", max_rejects=0)

    assert done.returncode != 0
    assert published.states(done) == dict.fromkeys(STEPS[:2], "success") | {
        "search_models": "skipped",
        "score_table": "failed",  # without a retry: not up_for_retry
        "report": "success",  # the report of the refused night
    }
    assert "the gate refused to publish (exit code 4)" in done.stdout + done.stderr
    assert days(published) == {"2026-01-05"}  # no rows of the refused day


def days(airflow: Airflow) -> set[str]:
    """Return the days in the table of results."""
    import deltalake

    results = deltalake.DeltaTable(airflow.folder / "warehouse" / "results").to_pandas()
    return {str(day) for day in results["ds"]}
