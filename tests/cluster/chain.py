"""The sample chain for the tests of clusters and stores: its pipeline file, its jobs and a comparison of rows."""

import json
import subprocess
from importlib import import_module
from pathlib import Path

import pandas as pd

from tests.cluster.submission import submit_environ
from tests.commands import assert_quiet
from tests.factories.corpora import sample_sources
from textclf.artifact import ModelStore
from textclf.common.output_files import OutputFile
from textclf.examples.sample_corpus import FIRST_DAY, write_labelled, write_unlabelled

ROOT = Path(__file__).parents[2]
DAY = FIRST_DAY.isoformat()
CHAINS = {
    "nightly": (("nightly", "--date", DAY),),  # the same steps in one application
    "jobs": (
        ("ingest_corpus",),
        ("build_vocabulary",),
        ("train_model",),
        ("search_models", "--fresh"),
        ("score_table", "--date", DAY),
        ("report", "--date", DAY),
        ("nightly", "--date", DAY),
    ),
}
TABLES = ("corpus", "corpus_rejects", "vocabulary", "tokens", "results_rejects")
"""Tables whose rows are equal to the last bit; scores of ``results`` are compared with a tolerance."""
SEARCHED = "trials"
"""Table that only the chain of jobs writes, with rows that are equal to the last bit."""
_CONFIG = """
warehouse = "{warehouse}"
{sources}
[search]
architecture = "logistic_regression"
[nightly]
build = "train"
[score]
input = "{data}/unlabelled"
source = "source"
date = "ds"
"""
# These columns identify a run or its times, not a row.
_OF_THE_RUN = ["run_id", "model_digest", "search_id", "seconds", "started_at", "history"]


def write_data(folder: Path) -> None:
    """Write labelled files and a table of 3,000 texts to score."""
    write_labelled(folder)
    write_unlabelled(folder / "unlabelled", 3000)


def write_config(folder: Path, data: Path, warehouse: str) -> Path:
    """Write a pipeline file in a new folder and return its path."""
    folder.mkdir()
    config = folder / "pipeline.toml"
    config.write_text(_CONFIG.format(warehouse=warehouse, sources=sample_sources(data), data=data))
    return config


def submit_chain(chain: str, config: Path, *options: str) -> None:
    """Run the jobs with ``spark-submit.sh`` and these options."""
    for job, *flags in CHAINS[chain]:
        command = [str(ROOT / "spark-submit.sh"), *options, job, "--config", str(config), *flags]
        done = subprocess.run(command, env=submit_environ(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["status"] == "succeeded"
        assert_quiet(done.stderr)


def run_chain_here(chain: str, config: Path) -> None:
    """Run the jobs in this process, in the tests' own session."""
    for job, *flags in CHAINS[chain]:
        assert import_module(f"jobs.{job}").main(["--config", str(config), *flags]) == 0


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table's rows sorted by content, without the columns that identify a run."""
    rows = rows.drop(columns=_OF_THE_RUN, errors="ignore")
    keys = rows.astype(str).apply("\x1f".join, axis=1)
    return rows.iloc[keys.argsort(kind="stable")].reset_index(drop=True)


def assert_same_models(warehouse: str, local: str) -> None:
    """Assert that a warehouse has the models of the local one."""
    found, expected = ModelStore(f"{warehouse}/models"), ModelStore(f"{local}/models")
    assert found.names() == expected.names() != []
    for name in expected.names():
        assert found.champion(name) == expected.champion(name) is not None
        assert found.load(name).files == expected.load(name).files


def assert_nights_are_beside_the_tables(warehouse: str, runs: pd.DataFrame) -> None:
    """Assert that the status file and the page of each night in the table ``runs`` are in the warehouse."""
    for details in runs.loc[runs["job"] == "nightly", "details"]:
        status = json.loads(OutputFile(f"{warehouse}/nightly.json").read())
        assert (status["state"], status["exit_code"]) == ("succeeded", 0)
        (page,) = json.loads(details)["reports"]
        assert page.startswith(f"{warehouse}/reports/")
        assert OutputFile(page).exists()
