"""The command that comes after a run: one that the parsers accept, or none."""

import shlex
from pathlib import Path

import pytest

from tests.commands import check_command
from textclf.common.secrets import remember
from textclf.config import load_pipeline
from textclf.runs.record import RunRecord
from textclf.workflow.summary.next_command import Called, next_command

CONFIG = "conf/sample.toml"
SUBMITTED = "./spark-submit.sh"
MADE_BY = {
    "ingest_corpus": "build_vocabulary", "build_vocabulary": "train_model", "train_model": "score_table",
    "search_models": "score_table", "score_table": "report",
}  # fmt: skip


def after(job: str, status: str = "succeeded", *, called: Called | None = None, config: str = CONFIG) -> str | None:
    record = RunRecord(job, run_id="20260131T000000-1a2b3c4d")
    record.end(status)
    return next_command(record, load_pipeline(config), called or Called(CONFIG, [], [], SUBMITTED))


@pytest.mark.parametrize("job", MADE_BY)
def test_each_job_leads_to_the_next_one(job: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = after(job)

    assert found is not None
    assert found.startswith(f"./spark-submit.sh {MADE_BY[job]} --config conf/sample.toml")
    assert check_command(found, capfd)


@pytest.mark.parametrize("job", ["report", "nightly"])
def test_after_the_report_the_results_are_queried(job: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = after(job)

    assert found is not None
    words = shlex.split(found)
    assert check_command(shlex.join(["textclf", *words[words.index("query") :]]), capfd)
    assert Path(words[0]).name in ("textclf", "python", "python3")


@pytest.mark.parametrize("flag", ["--dry-run", "--dry"])
@pytest.mark.parametrize("job", ["run", "nightly"])
def test_after_a_dry_run_comes_the_run_itself(job: str, flag: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = after(job, called=Called(CONFIG, ["--config", CONFIG, flag], [], SUBMITTED))

    assert found == f"./spark-submit.sh {job} --config conf/sample.toml"
    assert check_command(found, capfd)


@pytest.mark.parametrize(("asked", "follows"), [(["ingest", "vocabulary"], False), (["score", "report"], True)])
def test_after_steps_without_scores_there_may_be_no_results_to_query(asked: list[str], *, follows: bool) -> None:
    record = RunRecord("run", details={"asked": asked})
    record.end("succeeded")

    found = next_command(record, load_pipeline(CONFIG), Called(CONFIG, [], [], SUBMITTED))

    assert (found is not None) == follows


@pytest.mark.parametrize("job", ["show_run", "explain_row", "maintain_tables"])
def test_some_jobs_lead_nowhere(job: str) -> None:
    assert after(job) is None


def test_sources_options_and_odd_paths_are_kept(capfd: pytest.CaptureFixture[str]) -> None:
    called = Called("my file.toml", [], ["my films"], "'/opt/my textclf/spark-submit.sh' --master 'local[2]'")
    found = after("ingest_corpus", called=called)

    assert found is not None
    assert shlex.split(found) == [
        "/opt/my textclf/spark-submit.sh", "--master", "local[2]", "build_vocabulary", "--config", "my file.toml",
        "--source", "my films",
    ]  # fmt: skip


def test_how_models_are_built_decides(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text(Path(CONFIG).read_text().replace('build = "train"', 'build = "search"'))
    found = after("build_vocabulary", config=str(file))

    assert found is not None
    assert shlex.split(found)[1] == "search_models"


@pytest.mark.parametrize("status", ["stopped", "locked"])
def test_what_was_stopped_is_run_again_as_it_was_called(status: str) -> None:
    called = Called(CONFIG, ["--config", CONFIG, "--date", "2026-01-05"], [], SUBMITTED)

    assert after("score_table", status, called=called) == (
        "./spark-submit.sh score_table --config conf/sample.toml --date 2026-01-05"
    )


def test_a_refused_run_is_looked_at_and_an_error_is_a_persons_to_mend(capfd: pytest.CaptureFixture[str]) -> None:
    found = after("score_table", "refused")

    assert found == "./spark-submit.sh show_run --config conf/sample.toml 20260131T000000-1a2b3c4d"
    assert check_command(found, capfd)
    assert after("score_table", "failed") is None
    assert after("ingest_corpus", "failed") is None


@pytest.mark.parametrize(
    "called",
    [
        Called(CONFIG, [], [], None),  # python jobs/ingest_corpus.py: the wrapper may not be there
        Called(CONFIG, [], [], "./spark-submit.sh --conf spark.hadoop.fs.s3a.secret.key=a-secret-of-tests"),
        Called("a\x1b[2Jb.toml", [], [], SUBMITTED),
    ],
)
def test_no_command_that_would_not_work_or_show_a_secret(called: Called) -> None:
    remember("KEY_OF_TESTS", "a-secret-of-tests")

    assert after("ingest_corpus", called=called) is None


def test_without_a_pipeline_file_nothing_follows() -> None:
    record = RunRecord("ingest_corpus")
    record.end("failed")
    assert next_command(record, None, Called(CONFIG, [], [], SUBMITTED)) is None
