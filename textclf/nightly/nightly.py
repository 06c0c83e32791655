"""Run a night: the steps in order, each skipped if nothing that it depends on has changed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from textclf.common import console
from textclf.common.logs import say, say_error
from textclf.common.output_files import OutputFile
from textclf.config import Source
from textclf.corpus.deliveries import DeliveryError, Refused
from textclf.corpus.first_look import Fingerprint
from textclf.corpus.ingest import Before
from textclf.errors import GateError, InputError
from textclf.nightly.earlier_runs import VOCABULARY, Past, past
from textclf.nightly.facts import Days, Reads, plan_builds, plan_days, plan_reads
from textclf.nightly.retry import again
from textclf.nightly.rules import NO_ROWS, STILL_REFUSED, Decision
from textclf.nightly.status_file import Status, status_file
from textclf.runs.deliveries import INGEST
from textclf.runs.history import record_killed
from textclf.runs.outcome import keep, outcome_of
from textclf.runs.record import RunRecord
from textclf.runs.run_lock import run_locked
from textclf.runs.workspace import Workspace
from textclf.scoring.days import DayScorer, check_range, finish_range
from textclf.search.summary import raise_for
from textclf.spark import cancellation
from textclf.spark.job_names import described
from textclf.storage.leases.locks import NIGHTLY, Locks
from textclf.workflow import steps

_Result = TypeVar("_Result")


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
    place = warehouse.location("nightly")  # not a table, only the name of the lock
    with ExitStack() as stack:
        locks = (held or stack).enter_context(run_locked(spark, warehouse, place, run, pipeline.lock.lease))
        locks.take([NIGHTLY])
        record_killed(spark, warehouse, locks, place)
        before = past(spark, warehouse)
        shown = [day.isoformat() for day in days]
        status = Status(status_file(pipeline, warehouse), run, shown, before.usual, before.busy)
        run.details["asked"] = shown
        try:
            Night(workspace, run, list(days), status, locks, before).work()
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
        raise DeliveryError({name: Refused(error) for name, error in reads.failed.items()}, {})


def _plan_rest(workspace: Workspace, days: Sequence[date], before: Past, reads: Reads) -> Iterator[Decision]:
    unread = {decision.subject for decision in reads.decisions if decision.due}
    builds = plan_builds(workspace, before, max(days), unread)
    yield from builds.vocabularies
    yield from builds.models
    if any(decision.due and "no model yet" in decision.reason for decision in builds.models):
        yield from (Decision("score", day.isoformat(), None, "the first models are built first") for day in days)
        return
    yield from plan_days(workspace, days).decisions


@dataclass
class Night:
    """A night in progress.

    Attributes:
        workspace: Session, pipeline file, tables and models.
        run: Run record of the night.
        days: Requested days.
        status: Status file.
        locks: Locks of the night.
        before: Earlier runs; None once a step of this night has added a record.
        errors: Errors of the failed steps, in order.
    """

    workspace: Workspace
    run: RunRecord
    days: list[date]
    status: Status
    locks: Locks
    before: Past | None
    errors: list[Exception] = field(default_factory=list)
    _due: list[str] = field(default_factory=list)

    def work(self) -> None:
        """Run all steps.

        Raises:
            Exception: First error, raised after the last step.
        """
        self.status.write()
        self._ingest()
        self._build()
        self._score()
        if self.errors:
            for error in self.errors[1:]:
                say_error(error)
            raise self.errors[0]

    def _ingest(self) -> None:
        found: dict[str, Fingerprint] = {}

        def plan() -> list[Decision]:
            reads = plan_reads(self.workspace, self._past())
            found.update(reads.found)
            return reads.decisions

        def work() -> None:
            sources = [source for source in self.workspace.pipeline.sources if source.name in self._due]
            with self._part(INGEST) as record:
                before: Before = {}  # shared by all attempts: a failed one may have published some sources
                on_progress = self.status.advance
                try:
                    self._again(
                        lambda: steps.ingest(self.workspace, record, sources, found, on_progress, before=before)
                    )
                finally:
                    self._note_deliveries(record)

        self._step("ingest", plan, work)

    def _note_deliveries(self, record: RunRecord) -> None:
        """Copy refused deliveries and those that lost many records into the night's record and the status file."""
        refused = {name: each["problem"] for name, each in record.details.get("refused", {}).items()}
        fallen = record.details.get("fallen", [])
        self.run.details |= {"refused": refused, "fallen": fallen}
        if refused:
            self.status.steps[-1]["refused"] = refused
        if fallen:
            self.status.steps[-1]["fallen"] = fallen

    def _build(self) -> None:
        models: list[Decision] = []

        def plan() -> list[Decision]:
            builds = plan_builds(self.workspace, self._past(), max(self.days))
            models[:] = builds.models
            return builds.vocabularies

        self._step("vocabulary", plan, self._count_words)
        train = self._search if self.workspace.pipeline.builds_by == "search" else self._train
        self._step("models", lambda: models, train)

    def _count_words(self) -> None:
        sources = [source for source in self.workspace.pipeline.sources if source.name in self._due]
        with self._part(VOCABULARY) as record:
            self._again(lambda: steps.vocabulary(self.workspace, record, sources, on_progress=self.status.advance))

    def _search(self) -> None:
        sources = [source for source in self.workspace.pipeline.sources if source.name in self._due]
        held = ExitStack()

        def attempt() -> None:
            held.close()  # release the locks of the previous attempt
            on_progress = self.status.count
            raise_for(
                steps.search(self.workspace, record, sources, noted=self._noted, on_progress=on_progress, held=held)
            )

        with held, self._part("search_models") as record:
            self._again(attempt)

    def _train(self) -> None:
        for source in self.workspace.pipeline.sources:
            if source.name not in self._due:
                continue
            with self._part("train_model") as record:
                self._train_one(source, record)
            self.status.advance(source.name)

    def _train_one(self, source: Source, record: RunRecord) -> None:
        # A model that a rule requires is used at once; the gate judges its scores.
        self._again(lambda: steps.train(self.workspace, record, source, promote=True, noted=self._noted))

    def _score(self) -> None:
        planned: list[Days] = []

        def plan() -> list[Decision]:
            planned[:] = [plan_days(self.workspace, self.days)]
            return planned[0].decisions

        scored: dict[date, str] = {}
        self._step("score", plan, lambda: self._score_days(planned[0], scored))
        if planned:
            self._check_asked(planned[0])
            self._report({**planned[0].runs, **scored}, [*self.days, *planned[0].due])

    def _score_days(self, days: Days, scored: dict[date, str]) -> None:
        days.plan.note(self.run)

        def ended(record: RunRecord) -> None:
            self.status.steps[-1].setdefault("runs", []).append(record.run_id)
            if record.gate is not None:
                scored[date.fromisoformat(record.details["day"])] = record.run_id
                self.run.gate = record.gate if len(days.due) == 1 else None
            self.status.advance(record.details["day"])

        scorer = DayScorer(self.workspace, self.run, days.options, days.plan, self._again, ended)
        records = scorer.score(days.due, self.workspace.pipeline.nightly.parallel)
        finish_range(self.run, records, skipped=len(self.days) - len(set(self.days) & set(days.due)))

    def _check_asked(self, days: Days) -> None:
        """Record an error for a requested day that is still refused or has no rows, although nothing is to be done."""
        skipped = {decision.subject: decision.reason for decision in days.decisions if decision.due is False}
        reasons = {day: skipped.get(day.isoformat(), "") for day in self.days}
        still = [f"{day}, run {why.split()[-1]}" for day, why in reasons.items() if why.startswith(STILL_REFUSED)]
        if still:
            self.errors.append(
                GateError(
                    "The gate has already refused these days, and nothing has changed since.",
                    received="; ".join(still),
                    expected="a different input, model or limit than before",
                    fix="look at the run with show_run; to publish its rows as they are: score_table --config FILE "
                    "--publish-anyway RUN_ID --reason TEXT",
                )
            )
        if all(why == NO_ROWS for why in reasons.values()):
            self.errors.append(
                InputError(
                    "The input has no rows for the requested days.",
                    received=f"no row of {', '.join(map(str, self.days))} in {days.plan.table.place}",
                    expected="rows of the day, in the date column that [score] names",
                    fix="run again when they have arrived, or leave the day to the next night",
                )
            )

    def _report(self, runs: dict[date, str], days: Sequence[date]) -> None:
        from textclf.report.run.page import default_page

        wanted = {runs[day]: day for day in dict.fromkeys(days) if day in runs}

        def plan() -> list[Decision]:
            there = {run_id: default_page(self.workspace.warehouse, run_id).exists() for run_id in wanted}
            why = {True: "the page exists", False: "no page yet"}
            return [Decision("report", run_id, not found, why[found]) for run_id, found in there.items()]

        def work() -> None:
            for run_id in self._due:
                page = default_page(self.workspace.warehouse, run_id)
                self._again(lambda: self._write_page(run_id, page))  # noqa: B023 - at once
                self.run.details.setdefault("reports", []).append(str(page))
                self.status.advance(run_id)

        self._step("report", plan, work)

    def _write_page(self, run_id: str, page: OutputFile) -> None:
        from textclf.report.run.data import load_run
        from textclf.report.run.page import render_report, write

        write(render_report(load_run(self.workspace, run_id)), page)

    def _step(self, name: str, plan: Callable[[], list[Decision]], work: Callable[[], None]) -> None:
        """Plan a step and do what is due; after an error the night goes on, unless it must stop or lost its lock."""
        cancellation.check()
        self.locks.check()
        self._due = []
        self.status.begin(name)
        try:
            with described(self.workspace.spark, name), console.step(name):
                decisions = self._again(plan)
                self.run.details.setdefault("plan", []).extend(map(str, decisions))
                for decision in decisions:
                    say(str(decision), step=name)
                self._due = [decision.subject for decision in decisions if decision.due]
                reasons = dict.fromkeys(decision.reason for decision in decisions if decision.due or not self._due)
                self.status.expect(len(self._due), "; ".join(reasons) or "nothing to do")
                if self._due:
                    work()
        except Exception as error:
            self.status.end("failed", outcome_of(error).problem)
            if cancellation.asked():
                raise
            self.errors.append(error)
        else:
            self.status.end("done" if self._due else "skipped")

    @contextmanager
    def _part(self, job: str) -> Iterator[RunRecord]:
        """Give a step the run record of its job and add it to ``runs`` however the step ends."""
        record = RunRecord(job, config_digest=self.run.config_digest, spark_app_id=self.run.spark_app_id)
        self.status.steps[-1].setdefault("runs", []).append(record.run_id)
        try:
            yield record
        except Exception as error:
            found = outcome_of(error)
            record.end(found.status, found.problem)
            keep(self.workspace.spark, self.workspace.warehouse, record)
            self.before = None  # a part of the work may be done
            raise
        record.end("succeeded")
        record.append(self.workspace.spark, self.workspace.warehouse)
        self.before = None

    def _past(self) -> Past:
        if self.before is None:
            self.before = past(self.workspace.spark, self.workspace.warehouse)
        return self.before

    def _again(self, work: Callable[[], _Result]) -> _Result:
        return again(work, self.workspace.pipeline.nightly.retries, self.workspace.pipeline.nightly.pause)

    @property
    def _noted(self) -> dict[str, str]:
        return {"night": max(self.days).isoformat(), "nightly": self.run.run_id}
