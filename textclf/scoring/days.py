"""Score a range of days; each day has its own slices, commit and run record."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, timedelta

from textclf.common.logs import say
from textclf.config import Pipeline
from textclf.errors import TextclfError, UsageError
from textclf.runs.history import newest_of_days, publications
from textclf.runs.outcome import code_when_kept, end_with
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace, takes_workspace
from textclf.scoring.marks import Mark, mark_days
from textclf.scoring.plan import Plan, ScoreOptions, plan_scoring
from textclf.scoring.score import score_planned
from textclf.spark import cancellation
from textclf.spark.job_names import carried, described, together

_SHOWN = 10  # days that a message names


@dataclass(frozen=True)
class DayRange:
    """A range of days from ``first`` to ``last``, both included.

    Args:
        first: The first day.
        last: The last day, no earlier than the first.
        parallel: Number of days that are scored at the same time.
        force: Score also the days that would be skipped because nothing has changed.

    Example:
        >>> from datetime import date
        >>> from textclf import DayRange
        >>> len(DayRange(date(2026, 1, 30), date(2026, 2, 1)).days)
        3
    """

    first: date
    last: date
    parallel: int = 2
    force: bool = False

    @property
    def days(self) -> list[date]:
        """Each day, in order."""
        return [self.first + timedelta(days=count) for count in range((self.last - self.first).days + 1)]


Range = DayRange
"""The name until 0.1."""


@takes_workspace
def score_range(workspace: Workspace, run: RunRecord, options: ScoreOptions, days: DayRange) -> None:
    """Score each day of a range as ``score_table`` does; each day has its own record, and ``run`` has the sums.

    A day is skipped if its newest publication had the same input, models, settings and options. So a range that was
    killed and started again scores only the missing days. All days read the input as it is at the start.

    Args:
        workspace: Session, pipeline file, tables and models. ``[score] date`` of the file must name the date column.
        run: Run record for the sums over all days. The records of the days are written to ``runs``.
        options: Options that override the pipeline file; ``day`` and ``limit`` must be None.
        days: The first and last day, and how many are scored at the same time.

    Raises:
        UsageError: The pipeline file names no date column, or for a reason given at ``score_table``.
        TextclfError: Some days failed; all others are published. The exit code is that of the failed days, 1 if
            theirs differ.

    Example:
        >>> from datetime import date
        >>> from textclf import DayRange, RunRecord, ScoreOptions, score_range
        >>> run = RunRecord("score_table")
        >>> score_range(workspace, run, ScoreOptions(model="reviews"), DayRange(date(2026, 1, 1), date(2026, 1, 2)))
        >>> run.scored_rows, run.details["days"]
        (20, {'succeeded': 2, 'skipped': 0})
    """
    pipeline = workspace.pipeline
    check_range(pipeline)
    plan = plan_scoring(workspace, options)
    plan.note(run)
    marks = mark_days(plan, pipeline, options, days.first, days.last)
    done = {} if days.force else newest_of_days(publications(workspace.spark, workspace.warehouse, plan.output))
    known = {day: publication.fingerprint for day, publication in done.items()}
    wanted = {day: marks.get(day) for day in days.days}
    wanted = {day: mark for day, mark in wanted.items() if mark is None or known.get(day) != mark.fingerprint}
    scorer = DayScorer(workspace, run, options, plan)
    finish_range(run, scorer.score(wanted, days.parallel), skipped=len(days.days) - len(wanted))


def check_range(pipeline: Pipeline) -> None:
    """Check that the pipeline file names a date column, which a range of days needs.

    Raises:
        UsageError: The pipeline file names no date column.
    """
    if pipeline.score.date is None:
        raise UsageError(
            "A range of days needs a date column, which says the day of each row.",
            received="no date under [score]",
            expected="the name of the input's date column",
            fix="set date under [score], or score one day with --date",
        )


def once(work: Callable[[], object]) -> None:
    """Do the work without a retry."""
    work()


@dataclass(frozen=True)
class DayScorer:
    """Scores days, each with its own record in ``runs``.

    Attributes:
        run: Record of the run that the days belong to.
        attempt: Function that calls the scoring of a day, and may call it again after a failure.
        ended: Callback for the record of each finished day; called from any thread.
    """

    workspace: Workspace
    run: RunRecord
    options: ScoreOptions
    plan: Plan
    attempt: Callable[[Callable[[], object]], object] = once
    ended: Callable[[RunRecord], None] = lambda record: None  # noqa: ARG005 - no callback

    def score(self, days: Mapping[date, Mark | None], parallel: int) -> list[tuple[RunRecord, int]]:
        """Score days, up to ``parallel`` at the same time; return the record and exit code of each, in order."""

        def one(day: date) -> tuple[RunRecord, int]:
            return self._score(day, days[day])

        with ThreadPoolExecutor(parallel) as pool:
            # The threads need this thread's job group and other local properties.
            return list(pool.map(carried(self.workspace.spark, one), days))

    def _score(self, day: date, mark: Mark | None) -> tuple[RunRecord, int]:
        spark, whole = self.workspace.spark, self.run
        run = RunRecord("score_table", config_digest=whole.config_digest, spark_app_id=whole.spark_app_id)
        run.details |= {"fingerprint": mark and mark.fingerprint, "input_digest": mark and mark.input}
        run.details["range"] = whole.run_id
        code = 0
        options, held = replace(self.options, day=day), ExitStack()

        def attempt() -> None:
            held.close()  # the locks of the previous attempt
            run.fence.check()  # a run that took those locks over has recorded this one as dead
            score_planned(self.workspace, run, options, self.plan, held)

        with described(spark, "score", source=together(self.plan.routes.artifacts), day=day):
            with held:
                try:
                    cancellation.check()
                    self.attempt(attempt)
                    run.end("succeeded")
                except Exception as error:  # noqa: BLE001 - outermost frame of a day: report it, go on with other days
                    code = end_with(run, error, day=day).code
                    run.details["day"] = day.isoformat()
                code = code_when_kept(spark, self.workspace.warehouse, run, code)
            say(f"{whole.job}, {day}: {run.status}, {run.scored_rows or 0} rows scored")
            self.ended(run)
        return run, code


def finish_range(run: RunRecord, records: Sequence[tuple[RunRecord, int]], skipped: int) -> None:
    """Note the sums over all days in the run that they belong to.

    Raises:
        TextclfError: Some days failed. The exit code is that of the failed days, 1 if theirs differ.
    """
    _sum_up(run, records, skipped)
    _raise_for(records)


def _sum_up(run: RunRecord, records: Sequence[tuple[RunRecord, int]], skipped: int) -> None:
    days = [record for record, _ in records]
    run.input_rows = sum(day.input_rows or 0 for day in days)
    run.scored_rows = sum(day.scored_rows or 0 for day in days)
    run.rejected_rows = sum(day.rejected_rows or 0 for day in days)
    copied = [day.details["copied_rows"] for day in days if "copied_rows" in day.details]
    if copied:
        run.details["copied_rows"] = sum(copied)
    counts = {status: sum(day.status == status for day in days) for status in sorted({day.status for day in days})}
    run.details["days"] = counts | {"skipped": skipped}


def _raise_for(records: Sequence[tuple[RunRecord, int]]) -> None:
    failed = [(record, code) for record, code in records if code]
    if not failed:
        return
    named = [f"{record.details.get('day')} {record.status} ({record.run_id})" for record, _ in failed[:_SHOWN]]
    more = f", {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    codes = {code for _, code in failed}
    error = TextclfError(
        f"{len(failed)} of {len(records)} days were not published; the others are.",
        received=", ".join(named) + more,
        expected="every day published",
        fix="see the message of each day above; run the same command again to score only the missing days",
    )
    if len(codes) == 1:
        error.exit_code, error.status = codes.pop(), failed[0][0].status
    raise error
