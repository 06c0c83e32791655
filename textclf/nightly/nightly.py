"""Run a night: the steps in order, each skipped if nothing that it depends on has changed."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date

from textclf.chain.earlier_runs import Past, past
from textclf.chain.facts import Days, Reads, plan_builds, plan_days, plan_reads
from textclf.chain.model_rules import NightRule
from textclf.chain.rules import NO_ROWS, STILL_REFUSED, Decision, still_refused
from textclf.chain.step_runner import StepRunner, chain_locked
from textclf.corpus.deliveries import DeliveryError
from textclf.errors import InputError
from textclf.nightly.status_file import Status, status_file
from textclf.runs.outcome import outcome_of
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.days import DayScorer, check_range, finish_range


def run_nightly(workspace: Workspace, run: RunRecord, days: Sequence[date], held: ExitStack | None = None) -> None:
    """Run the steps that the days need, and record each step with its reasons in ``run``.

    After a step fails, the later ones do what they can without it: the day is scored with the existing models. Each
    step that did some work has its own record in ``runs``, so that a night that was killed continues where it stopped.

    Args:
        workspace: Session, pipeline file, tables and models.
        run: Run record of the night.
        days: Requested days.
        held: Keeps the night's lock open for the caller, so that the record is written under it. By default the lock
            is released at the end.

    Raises:
        UsageError, InputError, GateError, LockError, StoppedError: First error of the night's steps.
    """
    spark, warehouse, pipeline = workspace.spark, workspace.warehouse, workspace.pipeline
    if len(days) > 1:
        check_range(pipeline)
    with chain_locked(workspace, run, held) as locks:
        before = past(spark, warehouse)
        shown = [day.isoformat() for day in days]
        status = Status(status_file(pipeline, warehouse), run, shown, before.usual, before.busy)
        run.details["asked"] = shown
        rule = NightRule(pipeline.nightly, max(days))
        noted = {"night": max(days).isoformat(), "nightly": run.run_id}
        try:
            Night(StepRunner(workspace, run, status, locks, before, rule, noted), list(days), status).work()
        except (Exception, KeyboardInterrupt) as error:
            found = outcome_of(error)
            status.close(found.status, found.code, found.problem)
            raise
        finally:
            run.details["steps"] = status.steps
        status.close("succeeded", 0, None)


def plan_night(workspace: Workspace, days: Sequence[date]) -> Iterator[Decision]:
    """Yield what ``run_nightly`` would do, as far as that can be known beforehand, without writing anything.

    Raises:
        UsageError, InputError: As in the steps. Sources that cannot be found are raised after all decisions.
    """
    before = past(workspace.spark, workspace.warehouse)
    reads = plan_reads(workspace, before)
    yield from reads.decisions
    yield from _plan_rest(workspace, days, before, reads)
    if reads.failed:
        raise DeliveryError.of_unread(reads.failed)


def _plan_rest(workspace: Workspace, days: Sequence[date], before: Past, reads: Reads) -> Iterator[Decision]:
    builds = plan_builds(workspace, before, NightRule(workspace.pipeline.nightly, max(days)), reads.due)
    yield from builds.vocabularies
    yield from builds.models
    if any(decision.due and "no model yet" in decision.reason for decision in builds.models):
        yield from (Decision("score", day.isoformat(), None, "the first models are built first") for day in days)
        return
    yield from plan_days(workspace, days).decisions


@dataclass(frozen=True)
class Night:
    """A night in progress.

    Attributes:
        steps: The steps that all chains have.
        days: Requested days.
        status: Status file.
    """

    steps: StepRunner
    days: list[date]
    status: Status

    def work(self) -> None:
        """Run all steps.

        Raises:
            Exception: First error, raised after the last step.
        """
        self.status.write()
        self.steps.ingest()
        self.steps.vocabulary()
        self.steps.models()
        self._score()
        self.steps.raise_first()

    def _score(self) -> None:
        planned: list[Days] = []

        def plan() -> list[Decision]:
            planned[:] = [plan_days(self.steps.workspace, self.days)]
            return planned[0].decisions

        scored: dict[date, str] = {}
        self.steps.step("score", plan, lambda: self._score_days(planned[0], scored))
        if planned:
            self._check_asked(planned[0])
            self._report({**planned[0].runs, **scored}, [*self.days, *planned[0].due])

    def _score_days(self, days: Days, scored: dict[date, str]) -> None:
        run, workspace = self.steps.run, self.steps.workspace
        days.plan.note(run)

        def ended(record: RunRecord) -> None:
            self.status.note_run(record.run_id)
            if record.gate is not None:
                scored[date.fromisoformat(record.details["day"])] = record.run_id
                run.gate = record.gate if len(days.due) == 1 else None
            self.status.advance(record.details["day"])

        scorer = DayScorer(workspace, run, days.options, days.plan, self.steps.again, ended)
        records = scorer.score(days.due, workspace.pipeline.nightly.parallel)
        finish_range(run, records, skipped=len(self.days) - len(set(self.days) & set(days.due)))

    def _check_asked(self, days: Days) -> None:
        """Record an error for a requested day that is still refused or has no rows, although nothing is to be done."""
        skipped = {decision.subject: decision.reason for decision in days.decisions if decision.due is False}
        reasons = {day: skipped.get(day.isoformat(), "") for day in self.days}
        still = [f"{day}, run {why.split()[-1]}" for day, why in reasons.items() if why.startswith(STILL_REFUSED)]
        if still:
            self.steps.errors.append(still_refused("these days", "; ".join(still)))
        if all(why == NO_ROWS for why in reasons.values()):
            self.steps.errors.append(
                InputError(
                    "The input has no rows for the requested days.",
                    received=f"no row of {', '.join(map(str, self.days))} in {days.plan.table.place}",
                    expected="rows of the day, in the date column that [score] names",
                    fix="run again when they have arrived, or leave the day to the next night",
                )
            )

    def _report(self, runs: dict[date, str], days: Sequence[date]) -> None:
        wanted = [runs[day] for day in dict.fromkeys(days) if day in runs]
        self.steps.report(lambda: list(dict.fromkeys(wanted)))
