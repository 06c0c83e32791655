"""What happens between the steps of a run: another run, a VACUUM, upkeep or a signal at each named point."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest
from delta import DeltaTable
from pyspark.sql import SparkSession

from jobs import score_table as job
from tests.points import AT, TABLES, at, let_expire
from tests.scoring.passes import DAY, ONE_MODEL, publish, table, values
from textclf.artifact import ModelStore
from textclf.config import Pipeline, Upkeep
from textclf.errors import GateError, LockError, TextclfError
from textclf.nightly.retry import again
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.days import DayScorer
from textclf.scoring.plan import plan_scoring
from textclf.scoring.score import ScoreOptions, score_table
from textclf.spark import cancellation
from textclf.storage import Warehouse
from textclf.workflow.maintenance import runs_held_off, tend

MakePipeline = Callable[[str], Pipeline]
RunJob = Callable[..., tuple[int, dict[str, object], str]]
Write = Callable[..., str]
_LONG = pytest.mark.long
SCHEMA = "id long, text string"


@pytest.fixture
def pipeline(make_pipeline: MakePipeline, store: ModelStore) -> Pipeline:
    return make_pipeline(ONE_MODEL + "[gate]\nmax_rejects = 1.0\nmax_unknown = 1.0\n")


@pytest.fixture
def first(spark: SparkSession, pipeline: Pipeline, write: Write) -> RunRecord:
    """A day that is published: a row and a reject."""
    return publish(spark, pipeline, write([(1, "bad"), (2, None)], SCHEMA), day=DAY)


def recorded(spark: SparkSession, pipeline: Pipeline, path: str, run: RunRecord, day: date = DAY) -> None:
    """A run as the job does it: the locks go back when it is recorded."""
    warehouse = Warehouse.of(pipeline)
    with ExitStack() as held:
        try:
            score_table(Workspace(spark, pipeline), run, ScoreOptions(input=path, day=day), held)
        except TextclfError as error:
            run.end(error.status, error.problem)
            run.append(spark, warehouse)
            raise
        run.end("succeeded")
        run.append(spark, warehouse)


def statuses(spark: SparkSession, pipeline: Pipeline, *runs: RunRecord) -> list[list[str]]:
    found = Warehouse.of(pipeline).location("runs").read(spark).collect()
    return [[row["status"] for row in found if row["run_id"] == run.run_id] for run in runs]


def owners(spark: SparkSession, pipeline: Pipeline) -> list[set[str]]:
    """The runs that the rows and the rejects are of."""
    return [
        {row["run_id"] for row in table(spark, pipeline, name).collect()} for name in ("results", "results_rejects")
    ]


def overdue(spark: SparkSession, pipeline: Pipeline, day: date = DAY) -> None:
    """The day's lock is what a machine leaves that stood still for longer than its lease."""
    warehouse = Warehouse.of(pipeline)
    assert let_expire(spark, warehouse.locks(spark), str(warehouse.location("results")), day)


def some_always(points: Sequence[str], always: set[str]) -> list[object]:
    """Points as parameters: all but some are for the long tests."""
    return [point if point in always else pytest.param(point, marks=_LONG) for point in points]


@pytest.mark.parametrize("point", some_always(AT[2:-1], {"looked results_rejects", "recording"}))
def test_a_run_that_stood_still_publishes_nothing_after_its_successor_and_is_recorded_once(
    spark: SparkSession, pipeline: Pipeline, first: RunRecord, write: Write, point: str
) -> None:
    newer, path = RunRecord("score_table"), write([(1, "good"), (2, "good"), (3, None)], SCHEMA, name="older")
    other = write([(4, "good")], SCHEMA, name="newer")  # without rejects: nothing of its own is in the older's way

    def overtake() -> None:
        overdue(spark, pipeline)
        recorded(spark, pipeline, other, newer)

    older = RunRecord("score_table")
    with at(point, overtake) as done, pytest.raises(LockError) as error:
        recorded(spark, pipeline, path, older)
    assert done
    assert error.value.exit_code == 5
    assert "held up for so long" in str(error.value)
    assert values(table(spark, pipeline), "id", "run_id") == [(4, newer.run_id)]
    assert values(table(spark, pipeline, "results_rejects"), "id") == []
    assert statuses(spark, pipeline, first, older, newer) == [["succeeded"], ["killed"], ["succeeded"]]


def test_a_day_that_another_run_has_taken_over_is_not_tried_again(
    spark: SparkSession, pipeline: Pipeline, first: RunRecord, write: Write
) -> None:
    newer, path = RunRecord("score_table"), write([(1, "good"), (3, None)], SCHEMA, name="older")
    other = write([(4, "good")], SCHEMA, name="newer")

    def overtake() -> None:
        overdue(spark, pipeline)
        recorded(spark, pipeline, other, newer)
        raise RuntimeError("ExecutorLostFailure")  # which can pass

    options = ScoreOptions(input=path)
    plan = plan_scoring(Workspace(spark, pipeline), options)

    def attempt(work: Callable[[], object]) -> object:
        return again(work, 1, 0.0)

    scorer = DayScorer(Workspace(spark, pipeline), RunRecord("nightly"), options, plan, attempt)
    with at("looked results_rejects", overtake) as done:
        ((older, code),) = scorer.score({DAY: None}, 1)

    assert done
    assert (code, older.status) == (5, "locked")
    assert values(table(spark, pipeline), "id", "run_id") == [(4, newer.run_id)]
    assert statuses(spark, pipeline, first, older, newer) == [["succeeded"], ["killed"], ["succeeded"]]


def test_a_run_that_stood_still_before_the_first_publication_makes_no_table_of_its_own(
    spark: SparkSession, pipeline: Pipeline, write: Write
) -> None:
    path, newer = write([(1, "good"), (2, None)], SCHEMA), RunRecord("score_table")

    def overtake() -> None:
        overdue(spark, pipeline)
        recorded(spark, pipeline, path, newer)

    older = RunRecord("score_table")
    with at("looked results_rejects", overtake), pytest.raises(LockError):
        recorded(spark, pipeline, path, older)
    assert owners(spark, pipeline) == [{newer.run_id}] * 2
    assert statuses(spark, pipeline, older, newer) == [["killed"], ["succeeded"]]


def test_a_run_that_stood_still_publishes_nothing_though_its_successor_was_refused(
    spark: SparkSession, make_pipeline: MakePipeline, pipeline: Pipeline, first: RunRecord, write: Write
) -> None:
    strict = make_pipeline(ONE_MODEL + "[gate]\nmax_rejects = 0.0\n")
    refused, path = RunRecord("score_table"), write([(1, "good"), (3, None)], SCHEMA, name="older")

    def overtake() -> None:
        overdue(spark, pipeline)
        with pytest.raises(GateError):
            recorded(spark, strict, path, refused)

    older = RunRecord("score_table")
    with at("looked results", overtake), pytest.raises(LockError):
        recorded(spark, pipeline, path, older)
    assert table(spark, pipeline).collect()[0]["run_id"] == first.run_id
    assert statuses(spark, pipeline, older, refused) == [["killed"], ["refused"]]


def stage_old(pipeline: Pipeline) -> None:
    """Staged files as those of a run that was stopped long ago."""
    old, files = time.time() - 30 * 86400, list(Path(pipeline.warehouse or "", "_staging").rglob("part-*"))
    assert files
    for path in files:
        os.utime(path, (old, old))


@pytest.fixture
def vacuum_anything(spark: SparkSession) -> Iterator[Callable[[str, float], None]]:
    """VACUUM as anybody may start it, whatever it takes away."""
    settings = {
        "spark.databricks.delta.retentionDurationCheck.enabled": "false",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",  # 10,000 tasks otherwise
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
    spark: SparkSession,
    pipeline: Pipeline,
    first: RunRecord,
    write: Write,
    vacuum_anything: Callable[[str, float], None],
    name: str,
) -> None:
    path, run = write([(1, "good"), (2, "good"), (3, None)], SCHEMA, name="next"), RunRecord("score_table")
    place = str(Warehouse.of(pipeline).location(name))
    with (
        at("staged", lambda: stage_old(pipeline)) as staged,
        at(f"moved {name}", lambda: vacuum_anything(place, 168)) as moved,
    ):
        recorded(spark, pipeline, path, run)
    assert staged
    assert moved
    assert owners(spark, pipeline) == [{run.run_id}] * 2


@pytest.mark.parametrize("name", ["results", pytest.param("results_rejects", marks=_LONG)])
@pytest.mark.parametrize("point", ["looked", pytest.param("moved", marks=_LONG)])
def test_vacuum_that_takes_files_away_while_they_are_published_ends_the_run_and_leaves_what_was_there(
    spark: SparkSession,
    pipeline: Pipeline,
    first: RunRecord,
    write: Write,
    vacuum_anything: Callable[[str, float], None],
    name: str,
    point: str,
) -> None:
    path, run = write([(1, "good"), (2, "good"), (3, None)], SCHEMA, name="next"), RunRecord("score_table")
    place = str(Warehouse.of(pipeline).location(name))
    with (
        at(f"{point} {name}", lambda: vacuum_anything(place, 0)) as done,
        pytest.raises(TextclfError, match="Files were removed while they were published"),
    ):
        recorded(spark, pipeline, path, run)
    assert done
    assert table(spark, pipeline).collect()[0]["run_id"] == first.run_id
    assert values(table(spark, pipeline, name), "run_id") == [(first.run_id,)]
    assert statuses(spark, pipeline, run) == [["failed"]]
    again = RunRecord("score_table")
    recorded(spark, pipeline, path, again)
    assert owners(spark, pipeline) == [{again.run_id}] * 2


def test_upkeep_of_any_retention_takes_nothing_from_a_run_that_publishes(
    spark: SparkSession,
    pipeline: Pipeline,
    first: RunRecord,
    write: Write,
) -> None:
    path, run = write([(1, "good"), (2, "good"), (3, None)], SCHEMA, name="next"), RunRecord("score_table")
    warehouse = Warehouse.of(pipeline)
    places = [warehouse.location(name) for name in TABLES]
    figures: list[dict[str, object]] = []

    def maintain() -> None:
        nothing = Upkeep(retention_days=0.0, short_retention=True)
        with runs_held_off(spark, warehouse, places[1:], RunRecord("maintain_tables"), 60) as at_work:
            figures.extend(tend(spark, place, nothing, at_work) for place in places)

    with at("moved results", maintain):
        recorded(spark, pipeline, path, run)
    assert [each["kept_for"] for each in figures] == [run.run_id] * 2
    assert owners(spark, pipeline) == [{run.run_id}] * 2
    figures.clear()
    maintain()
    assert not any("kept_for" in each for each in figures)
    assert owners(spark, pipeline) == [{run.run_id}] * 2


def ask_to_stop(number: signal.Signals, *, cancels: bool = False) -> None:
    """The signal, and what it cancels is cancelled: the Spark job that the run waits for, where it waits for one."""
    os.kill(os.getpid(), number)
    while not cancellation.asked():
        time.sleep(0.01)
    if cancels:
        raise RuntimeError("Job 7 cancelled as part of cancellation of all jobs")


@pytest.fixture
def range_of_a_day(pipeline: Pipeline, write: Write, tmp_path: Path) -> tuple[object, ...]:
    """Arguments of the job for a range of one day, whose staged rows a later run takes up."""
    rows = [(1, "good", DAY), (2, "good", DAY), (3, None, DAY)]
    path = write(rows, f"{SCHEMA}, ds date", name="next")
    config = tmp_path / "pipeline.toml"
    config.write_text(
        f'warehouse = "{pipeline.warehouse}"\n{ONE_MODEL}date = "ds"\n[gate]\nmax_rejects = 1.0\nmax_unknown = 1.0\n'
    )
    return ("--config", config, "--input", path, "--from", DAY, "--to", DAY, "--force")


@pytest.mark.parametrize(
    ("number", "points"),
    [
        (signal.SIGINT, ["committed results_rejects", "recording"]),
        pytest.param(signal.SIGTERM, AT, marks=_LONG),
        pytest.param(signal.SIGINT, AT[1::4], marks=_LONG),
    ],
)
def test_a_signal_at_any_point_leaves_a_record_an_honest_status_and_a_day_that_can_be_scored(
    spark: SparkSession,
    pipeline: Pipeline,
    first: RunRecord,
    run_job: RunJob,
    range_of_a_day: tuple[object, ...],
    number: signal.Signals,
    points: Sequence[str],
) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    owner, known = owners(spark, pipeline)[0], 1
    for point in points:
        # While it publishes and records, jobs of Delta's may be what is cancelled; between them nothing is.
        publishing = AT.index("checked") < AT.index(point) < AT.index("committed results")
        cancels = publishing or point == "recording"
        with at(point, lambda: ask_to_stop(number, cancels=cancels)) as done:  # noqa: B023 - at once
            code, said, _ = run_job(job, *range_of_a_day)
        assert done, point
        published = not (publishing or point in AT[:2])
        assert (code, said["status"]) == ((0, "succeeded") if published else (1, "stopped")), point
        kept = {row["run_id"]: row["status"] for row in Warehouse.of(pipeline).location("runs").read(spark).collect()}
        known += 2  # the range, and its day
        assert len(kept) == known, point
        assert kept[str(said["run_id"])] == said["status"]
        assert (owners(spark, pipeline)[0] != owner) is published, point
        if not published:
            code, said, _ = run_job(job, *range_of_a_day)
            assert (code, said["status"]) == (0, "succeeded"), point
            known += 2
        owner = owners(spark, pipeline)[0]
        assert owners(spark, pipeline)[1] == owner, point
        # What was left in staging was whole, and the next run has published it.
        assert list(Path(pipeline.warehouse or "", "_staging").glob("*/*")) == [], point
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_staged_rows_some_of_whose_files_are_gone_are_not_published(
    spark: SparkSession, pipeline: Pipeline, run_job: RunJob, range_of_a_day: tuple[object, ...]
) -> None:
    with at("staged", lambda: ask_to_stop(signal.SIGTERM)):
        assert run_job(job, *range_of_a_day)[0] == 1
    staged = list(Path(pipeline.warehouse or "", "_staging").rglob("part-*"))
    assert staged  # as a release before left them, stopped while it published
    staged[0].unlink()

    code, said, _ = run_job(job, *range_of_a_day)

    assert (code, said["status"]) == (0, "succeeded")
    assert values(table(spark, pipeline), "id") == [(1,), (2,)]
