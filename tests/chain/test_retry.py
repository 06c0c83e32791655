"""Which errors are retried, and which are not."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.factories.corpora import source_toml
from tests.nightly.days import STEADY
from textclf.chain.earlier_runs import Past
from textclf.chain.model_rules import ChangeRule
from textclf.chain.progress import Progress
from textclf.chain.retry import again, can_pass
from textclf.chain.rules import Decision
from textclf.chain.step_runner import StepRunner
from textclf.config import parse_pipeline
from textclf.errors import InputError, LockError, TextclfError
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace


class Failing:
    """A callable that fails a number of times before it succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


LOST = RuntimeError("Job aborted: ExecutorLostFailure (executor 1 exited caused by one of the running tasks)")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (LOST, True),
        (RuntimeError("Python worker exited unexpectedly (crashed)"), True),
        (RuntimeError("java.net.SocketTimeoutException: Read timed out"), True),
        (RuntimeError("DELTA_TABLE_ALREADY_EXISTS"), True),
        (RuntimeError("division by zero"), False),
        (MemoryError(), False),
        (InputError("The file that said ExecutorLostFailure is missing."), False),
        (LockError("Another run works on this day."), False),
    ],
)
def test_only_what_can_pass_is_tried_again(error: Exception, expected: bool) -> None:
    assert can_pass(error) is expected
    work = Failing(error)
    if expected:
        again(work, 1, 0.0)
    else:
        with pytest.raises(type(error)):
            again(work, 1, 0.0)
    assert work.calls == (2 if expected else 1)


def test_attempts_end_and_pauses_grow() -> None:
    work, pauses = Failing(LOST, LOST, LOST, LOST), list[float]()
    with pytest.raises(RuntimeError):
        again(work, 2, 60.0, pauses.append)
    assert (work.calls, pauses) == (3, [60.0, 120.0])


def test_a_pause_takes_its_time() -> None:
    begun = time.monotonic()
    again(Failing(LOST), 1, 0.05)
    assert time.monotonic() - begun >= 0.05


def test_an_error_that_says_what_to_do_comes_through_unchanged() -> None:
    work: Callable[[], None] = Failing(TextclfError("No.", fix="do something"))
    with pytest.raises(TextclfError, match="do something"):
        again(work, 3, 60.0)


@pytest.fixture
def steps(spark: SparkSession, tmp_path: Path) -> StepRunner:
    """Return the steps of a chain that holds its lock and makes two attempts."""
    sources = "".join(map(source_toml, STEADY))
    pipeline = parse_pipeline(f'warehouse = "{tmp_path}"\n{sources}[nightly]\nretries = 1\npause = 0.0\n')
    locks: Any = SimpleNamespace(check=lambda: None)
    return StepRunner(Workspace(spark, pipeline), RunRecord("run"), Progress(), locks, Past(), ChangeRule(), {})


def test_the_look_at_what_a_step_has_to_do_is_tried_again(steps: StepRunner) -> None:
    look, worked = Failing(LOST), list[str]()

    def plan() -> list[Decision]:
        look()
        return [Decision("ingest", "shop", True, "never read")]

    steps.step("ingest", plan, lambda: worked.extend(steps.due))

    assert (look.calls, worked, steps.errors) == (2, ["shop"], [])
    assert steps.run.details["plan"] == [str(Decision("ingest", "shop", True, "never read"))]


def test_a_page_of_the_report_is_tried_again(
    steps: StepRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read = Failing(LOST)
    monkeypatch.setattr("textclf.report.run.data.load_run", lambda *args: read())  # noqa: ARG005
    monkeypatch.setattr("textclf.report.run.page.render_report", lambda data: "the page")  # noqa: ARG005

    steps.report(lambda: ["the-run"])

    assert (read.calls, steps.errors) == (2, [])
    assert (tmp_path / "reports/the-run.html").read_text() == "the page"
    assert steps.progress.progress == {"done": 1, "of": 1}
    (record,) = steps.workspace.warehouse.location("runs").read(steps.workspace.spark).collect()
    assert (record["job"], record["status"]) == ("report", "succeeded")
