"""Events between the steps of a run: another run, a VACUUM, maintenance or a signal at each named point."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date

import pytest
from delta import DeltaTable
from pyspark.sql import SparkSession

from tests.points import AT, TABLES, ask_to_stop, at, files_of_no_version, let_expire
from tests.scoring.scoring import DAY, ONE_MODEL, OPEN_GATE, Scoring, values
from textclf.chain.retry import again
from textclf.config import Upkeep
from textclf.errors import GateError, LockError, TextclfError
from textclf.runs.record import RunRecord
from textclf.scoring.days import DayScorer
from textclf.scoring.plan import plan_scoring
from textclf.scoring.score import ScoreOptions, score_table
from textclf.workflow.maintenance import runs_held_off, tend

_LONG = pytest.mark.long
SCHEMA = "id long, text string"


@pytest.fixture
def scoring(scoring: Scoring) -> Scoring:
    """Configure one model and a gate that passes any rows."""
    return scoring.configure(ONE_MODEL + OPEN_GATE)


@pytest.fixture
def first(scoring: Scoring) -> RunRecord:
    """Publish a day with a row and a reject."""
    return scoring.publish(scoring.write([(1, "bad"), (2, None)], SCHEMA), day=DAY)


def recorded(scoring: Scoring, path: str, run: RunRecord, day: date = DAY) -> None:
    """Run as the job does: the locks are released when the run is recorded."""
    workspace = scoring.workspace
    with ExitStack() as held:
        try:
            score_table(workspace, run, ScoreOptions(input=path, day=day), held)
        except TextclfError as error:
            run.end(error.status, error.problem)
            run.append(workspace.spark, workspace.warehouse)
            raise
        run.end("succeeded")
        run.append(workspace.spark, workspace.warehouse)


def statuses(scoring: Scoring, *runs: RunRecord) -> list[list[str]]:
    found = scoring.rows("runs").collect()
    return [[row["status"] for row in found if row["run_id"] == run.run_id] for run in runs]


def owners(scoring: Scoring) -> list[set[str]]:
    """Return the runs that wrote the rows and the rejects."""
    return [{row["run_id"] for row in table.collect()} for table in (scoring.results, scoring.rejects)]


def overdue(scoring: Scoring, day: date = DAY) -> None:
    """Let the day's lock expire, as if its machine had paused for longer than its lease."""
    spark, warehouse = scoring.spark, scoring.warehouse
    assert let_expire(spark, warehouse.locks(spark), str(warehouse.location("results")), day)


def some_always(points: Sequence[str], always: set[str]) -> list[object]:
    """Return the points as parameters; those not in ``always`` are marked as long tests."""
    return [point if point in always else pytest.param(point, marks=_LONG) for point in points]


@pytest.mark.parametrize("point", some_always(AT[2:-1], {"looked results_rejects", "recording"}))
def test_a_run_that_stood_still_publishes_nothing_after_its_successor_and_is_recorded_once(
    scoring: Scoring, first: RunRecord, point: str
) -> None:
    newer, path = RunRecord("score_table"), scoring.write([(1, "good"), (2, "good"), (3, None)], SCHEMA, name="older")
    # The other table has no rejects, so its rejects do not conflict with the older run's.
    other = scoring.write([(4, "good")], SCHEMA, name="newer")

    def overtake() -> None:
        overdue(scoring)
        recorded(scoring, other, newer)

    older = RunRecord("score_table")
    with at(point, overtake) as done, pytest.raises(LockError) as error:
        recorded(scoring, path, older)
    assert done
    assert error.value.exit_code == 5
    assert "held up for so long" in str(error.value)
    assert values(scoring.results, "id", "run_id") == [(4, newer.run_id)]
    assert values(scoring.rejects, "id") == []
    assert statuses(scoring, first, older, newer) == [["succeeded"], ["killed"], ["succeeded"]]


def test_a_day_that_another_run_has_taken_over_is_not_tried_again(scoring: Scoring, first: RunRecord) -> None:
    newer, path = RunRecord("score_table"), scoring.write([(1, "good"), (3, None)], SCHEMA, name="older")
    other = scoring.write([(4, "good")], SCHEMA, name="newer")

    def overtake() -> None:
        overdue(scoring)
        recorded(scoring, other, newer)
        raise RuntimeError("ExecutorLostFailure")  # a transient error

    options = ScoreOptions(input=path)
    plan = plan_scoring(scoring.workspace, options)

    def attempt(work: Callable[[], object]) -> object:
        return again(work, 1, 0.0)

    scorer = DayScorer(scoring.workspace, RunRecord("nightly"), options, plan, attempt)
    with at("looked results_rejects", overtake) as done:
        ((older, code),) = scorer.score({DAY: None}, 1)

    assert done
    assert (code, older.status) == (5, "locked")
    assert values(scoring.results, "id", "run_id") == [(4, newer.run_id)]
    assert statuses(scoring, first, older, newer) == [["succeeded"], ["killed"], ["succeeded"]]


def test_a_run_that_stood_still_before_the_first_publication_makes_no_table_of_its_own(scoring: Scoring) -> None:
    path, newer = scoring.write([(1, "good"), (2, None)], SCHEMA), RunRecord("score_table")

    def overtake() -> None:
        overdue(scoring)
        recorded(scoring, path, newer)

    older = RunRecord("score_table")
    with at("looked results_rejects", overtake), pytest.raises(LockError):
        recorded(scoring, path, older)
    assert owners(scoring) == [{newer.run_id}] * 2
    assert statuses(scoring, older, newer) == [["killed"], ["succeeded"]]


def test_a_run_that_stood_still_publishes_nothing_though_its_successor_was_refused(
    scoring: Scoring, first: RunRecord
) -> None:
    refused, path = RunRecord("score_table"), scoring.write([(1, "good"), (3, None)], SCHEMA, name="older")

    def overtake() -> None:
        overdue(scoring)
        with pytest.raises(GateError):
            recorded(scoring.configure(ONE_MODEL + "[gate]\nmax_rejects = 0.0\n"), path, refused)

    older = RunRecord("score_table")
    with at("looked results", overtake), pytest.raises(LockError):
        recorded(scoring, path, older)
    assert scoring.results.collect()[0]["run_id"] == first.run_id
    assert statuses(scoring, older, refused) == [["killed"], ["refused"]]


def stage_old(scoring: Scoring) -> None:
    """Make the staged files look like those of a run that was stopped long ago."""
    old, files = time.time() - 30 * 86400, files_of_no_version(scoring.folder / "warehouse")
    assert files
    for path in files:
        os.utime(path, (old, old))


@pytest.fixture
def vacuum_anything(spark: SparkSession) -> Iterator[Callable[[str, float], None]]:
    """Return a VACUUM without Delta's check of the retention time."""
    settings = {
        "spark.databricks.delta.retentionDurationCheck.enabled": "false",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",  # the default starts 10,000 tasks
    }

    def vacuum(path: str, hours: float) -> None:
        for name, value in settings.items():
            spark.conf.set(name, value)
        DeltaTable.forPath(spark, path).vacuum(hours)

    yield vacuum
    for name in settings:
        spark.conf.unset(name)


@pytest.mark.parametrize("name", ["results", pytest.param("results_rejects", marks=_LONG)])
def test_vacuum_leaves_files_that_are_published_however_long_they_were_staged(
    scoring: Scoring, first: RunRecord, vacuum_anything: Callable[[str, float], None], name: str
) -> None:
    path, run = scoring.write([(1, "good"), (2, "good"), (3, None)], SCHEMA, name="next"), RunRecord("score_table")
    place = str(scoring.warehouse.location(name))
    with (
        at("staged", lambda: stage_old(scoring)) as staged,
        at(f"moved {name}", lambda: vacuum_anything(place, 168)) as moved,
    ):
        recorded(scoring, path, run)
    assert staged
    assert moved
    assert owners(scoring) == [{run.run_id}] * 2


def test_files_that_a_vacuum_took_are_missed_before_either_table_changes(
    scoring: Scoring, first: RunRecord, vacuum_anything: Callable[[str, float], None]
) -> None:
    path, run = scoring.write([(1, "good"), (3, None)], SCHEMA, name="next"), RunRecord("score_table")
    place = str(scoring.warehouse.location("results"))
    with (
        at("staged", lambda: stage_old(scoring)),
        at("moved results_rejects", lambda: vacuum_anything(place, 168)) as moved,
        pytest.raises(TextclfError, match="Files were removed while they were published"),
    ):
        recorded(scoring, path, run)
    assert moved
    assert owners(scoring) == [{first.run_id}] * 2


@pytest.mark.parametrize("name", ["results", pytest.param("results_rejects", marks=_LONG)])
@pytest.mark.parametrize("point", ["looked", pytest.param("moved", marks=_LONG)])
def test_vacuum_that_takes_files_away_while_they_are_published_ends_the_run_and_leaves_what_was_there(
    scoring: Scoring, first: RunRecord, vacuum_anything: Callable[[str, float], None], name: str, point: str
) -> None:
    path, run = scoring.write([(1, "good"), (2, "good"), (3, None)], SCHEMA, name="next"), RunRecord("score_table")
    place = str(scoring.warehouse.location(name))
    with (
        at(f"{point} {name}", lambda: vacuum_anything(place, 0)) as done,
        pytest.raises(TextclfError, match="Files were removed while they were published"),
    ):
        recorded(scoring, path, run)
    assert done
    assert scoring.results.collect()[0]["run_id"] == first.run_id
    assert values(scoring.rows(name), "run_id") == [(first.run_id,)]
    assert statuses(scoring, run) == [["failed"]]
    again = RunRecord("score_table")
    recorded(scoring, path, again)
    assert owners(scoring) == [{again.run_id}] * 2


def test_upkeep_of_any_retention_takes_nothing_from_a_run_that_publishes(scoring: Scoring, first: RunRecord) -> None:
    path, run = scoring.write([(1, "good"), (2, "good"), (3, None)], SCHEMA, name="next"), RunRecord("score_table")
    warehouse = scoring.warehouse
    places = [warehouse.location(name) for name in TABLES]
    figures: list[dict[str, object]] = []

    def maintain() -> None:
        nothing = Upkeep(retention_days=0.0, short_retention=True)
        with runs_held_off(scoring.spark, warehouse, places[1:], RunRecord("maintain_tables"), 60) as at_work:
            figures.extend(tend(scoring.spark, place, nothing, at_work) for place in places)

    with at("moved results", maintain):
        recorded(scoring, path, run)
    assert [each["kept_for"] for each in figures] == [run.run_id] * 2
    assert owners(scoring) == [{run.run_id}] * 2
    figures.clear()
    maintain()
    assert not any("kept_for" in each for each in figures)
    assert owners(scoring) == [{run.run_id}] * 2


def range_of_a_day(scoring: Scoring) -> tuple[object, ...]:
    """Return the job's flags for a range of one day, whose staged rows a later run can publish."""
    rows = [(1, "good", DAY), (2, "good", DAY), (3, None, DAY)]
    path = scoring.write(rows, f"{SCHEMA}, ds date", name="next")
    scoring.configure(ONE_MODEL + 'date = "ds"\n' + OPEN_GATE)
    return ("--input", path, "--from", DAY, "--to", DAY, "--force")


@pytest.mark.parametrize(
    ("number", "points"),
    [
        (signal.SIGINT, ["committed results_rejects", "recording"]),
        pytest.param(signal.SIGTERM, AT, marks=_LONG),
        pytest.param(signal.SIGINT, AT[1::4], marks=_LONG),
    ],
)
def test_a_signal_at_any_point_leaves_a_record_an_honest_status_and_a_day_that_can_be_scored(
    scoring: Scoring, first: RunRecord, number: signal.Signals, points: Sequence[str]
) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    owner, known, flags = owners(scoring)[0], 1, range_of_a_day(scoring)
    for point in points:
        # While it publishes and records, Delta's jobs may be cancelled; between the two no job runs.
        publishing = AT.index("checked") < AT.index(point) < AT.index("committed results")
        cancels = publishing or point == "recording"
        with at(point, lambda: ask_to_stop(number, cancels=cancels)) as done:  # noqa: B023 - called in this iteration
            code = scoring.job(*flags)
        assert done, point
        published = not (publishing or point in AT[:2])
        assert (code, scoring.record["status"]) == ((0, "succeeded") if published else (1, "stopped")), point
        kept = {row["run_id"]: row["status"] for row in scoring.rows("runs").collect()}
        known += 2  # one record of the range, one of its day
        assert len(kept) == known, point
        assert kept[str(scoring.record["run_id"])] == scoring.record["status"]
        assert (owners(scoring)[0] != owner) is published, point
        if not published:
            assert (scoring.job(*flags), scoring.record["status"]) == (0, "succeeded"), point
            known += 2
        owner = owners(scoring)[0]
        assert owners(scoring)[1] == owner, point
        # The staged rows were complete, and the next run has published them.
        assert list(scoring.folder.glob("warehouse/_staging/*/*")) == [], point
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_staged_rows_some_of_whose_files_are_gone_are_not_published(scoring: Scoring) -> None:
    flags = range_of_a_day(scoring)
    with at("staged", lambda: ask_to_stop(signal.SIGTERM)):
        assert scoring.job(*flags) == 1
    staged = files_of_no_version(scoring.folder / "warehouse")
    assert staged
    staged[0].unlink()

    code = scoring.job(*flags)

    assert (code, scoring.record["status"]) == (0, "succeeded")
    assert values(scoring.results, "id") == [(1,), (2,)]


def fail() -> None:
    raise RuntimeError("ExecutorLostFailure")


def test_rejects_that_a_stopped_run_has_named_outlive_a_successor_that_fails_before_it_publishes(
    scoring: Scoring, first: RunRecord
) -> None:
    flags = range_of_a_day(scoring)
    with at("committed results_rejects", lambda: ask_to_stop(signal.SIGINT, cancels=True)):
        assert scoring.job(*flags) == 1
    with at("staged", fail) as failed:
        assert scoring.job(*flags) == 1

    assert failed
    assert values(scoring.rejects, "id") == [(3,)]
    assert scoring.job(*flags) == 0
    assert values(scoring.results, "id") == [(1,), (2,)]


def test_rows_that_have_to_be_copied_and_were_staged_by_a_stopped_run_are_published_by_the_next(
    scoring: Scoring, first: RunRecord
) -> None:
    for name in TABLES:
        place = scoring.warehouse.location(name)
        scoring.spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    flags = range_of_a_day(scoring)
    with at("staged", lambda: ask_to_stop(signal.SIGTERM)):
        assert scoring.job(*flags) == 1

    assert scoring.job(*flags) == 0, scoring.said

    assert values(scoring.results, "id") == [(1,), (2,)]
    assert values(scoring.rejects, "id") == [(3,)]
    record = scoring.rows("runs").where("details LIKE '%published_run%'").collect()[-1]
    assert json.loads(record["details"])["publish"].startswith("copied")


def test_staging_that_cannot_be_removed_is_said_and_the_reason_of_the_end_stays(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("delete: access denied")

    monkeypatch.setattr("textclf.storage.staging.remove", refuse)
    with at("staged", fail):
        assert scoring.job("--input", scoring.write([(1, "good")], SCHEMA)) == 1
    assert "could not be removed: delete: access denied" in scoring.said
    assert "ExecutorLostFailure" in str(scoring.record["error"])
