"""Run the steps of a chain: each is planned, done as far as it is due, retried and recorded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from textclf.chain.earlier_runs import VOCABULARY, Past, past
from textclf.chain.facts import Builds, plan_builds, plan_reads
from textclf.chain.model_rules import BuildRule
from textclf.chain.progress import Progress
from textclf.chain.retry import again
from textclf.chain.rules import Decision
from textclf.common import console
from textclf.common.logs import raise_first, say
from textclf.common.output_files import OutputFile
from textclf.config import Source
from textclf.corpus.first_look import Fingerprint
from textclf.corpus.ingest import Before
from textclf.errors import InputError
from textclf.runs.deliveries import INGEST
from textclf.runs.history import record_killed
from textclf.runs.outcome import keep, outcome_of
from textclf.runs.record import RunRecord
from textclf.runs.run_lock import run_locked
from textclf.runs.workspace import Workspace
from textclf.search.summary import raise_for
from textclf.spark import cancellation
from textclf.spark.job_names import described
from textclf.storage.leases.locks import NIGHTLY, Locks
from textclf.workflow import steps

if TYPE_CHECKING:  # Keras' trainer is imported where a model is trained
    from textclf.training.side_by_side import Finish

_Result = TypeVar("_Result")


@contextmanager
def chain_locked(workspace: Workspace, run: RunRecord, held: ExitStack | None = None) -> Iterator[Locks]:
    """Take the lock that all chains of a warehouse share, and record a chain that was killed while it held it.

    Args:
        workspace: Session, pipeline file and tables.
        run: Run record of the chain.
        held: Keeps the lock open for the caller, so that the record is written under it. By default the lock is
            released at the end of the context.

    Raises:
        LockError: Another chain is running.
    """
    spark, warehouse = workspace.spark, workspace.warehouse
    place = warehouse.location("nightly")  # not a table, only the name of the lock
    with ExitStack() as stack:
        taken = run_locked(spark, warehouse, place, run, workspace.pipeline.lock.lease)
        locks = (held or stack).enter_context(taken)
        locks.take([NIGHTLY])
        record_killed(spark, warehouse, locks, place)
        yield locks


@dataclass
class StepRunner:
    """Runs the steps of a chain one after another. After one fails, the later ones do what they can without it.

    Each step that did some work has its own record in ``runs``, so that a chain that was killed continues where it
    stopped.

    Attributes:
        workspace: Session, pipeline file, tables and models.
        run: Run record of the chain.
        progress: The steps that have begun.
        locks: Locks of the chain.
        before: Earlier runs; None once a step of this chain has added a record.
        rule: When models are built.
        noted: Entries of the records of new models besides their figures.
        errors: Errors of the failed steps, in order.
        due: Subjects of the current step that are due.
    """

    workspace: Workspace
    run: RunRecord
    progress: Progress
    locks: Locks
    before: Past | None
    rule: BuildRule
    noted: Mapping[str, str]
    errors: list[Exception] = field(default_factory=list)
    due: list[str] = field(default_factory=list, init=False)
    _builds: Builds | None = field(default=None, init=False)

    def ingest(self) -> None:
        """Ingest the sources whose files have changed."""
        found: dict[str, Fingerprint] = {}

        def plan() -> list[Decision]:
            reads = plan_reads(self.workspace, self._past())
            found.update(reads.found)
            return reads.decisions

        def work() -> None:
            with self.part(INGEST) as record:
                before: Before = {}  # shared by all attempts: a failed one may have published some sources
                on_progress = self.progress.advance
                try:
                    self.again(
                        lambda: steps.ingest(self.workspace, record, self._sources, found, on_progress, before=before)
                    )
                finally:
                    self._note_deliveries(record)

        self.step("ingest", plan, work)

    def _note_deliveries(self, record: RunRecord) -> None:
        """Copy refused deliveries and those that lost many records into the chain's record and its steps."""
        refused = {name: each["problem"] for name, each in record.details.get("refused", {}).items()}
        fallen = record.details.get("fallen", [])
        self.run.details |= {"refused": refused, "fallen": fallen}
        if refused:
            self.progress.steps[-1]["refused"] = refused
        if fallen:
            self.progress.steps[-1]["fallen"] = fallen

    def vocabulary(self) -> None:
        """Build the vocabularies that the models to be built need."""

        def plan() -> list[Decision]:
            self._builds = self._plan_builds()
            return self._builds.vocabularies

        self.step("vocabulary", plan, self._count)

    def _count(self) -> None:
        with self.part(VOCABULARY) as record:
            self.again(
                lambda: steps.vocabulary(self.workspace, record, self._sources, on_progress=self.progress.advance)
            )

    def models(self) -> None:
        """Search or train the models that are due."""
        build = self._search if self.workspace.pipeline.builds_by == "search" else self._train
        # Decided with the vocabularies, which do not change what is to be built.
        self.step("models", lambda: (self._builds or self._plan_builds()).models, build)

    def _search(self) -> None:
        held = ExitStack()

        def attempt() -> None:
            held.close()  # release the locks of the previous attempt
            on_progress = self.progress.count
            raise_for(
                steps.search(
                    self.workspace, record, self._sources, noted=self.noted, on_progress=on_progress, held=held
                )
            )

        with held, self.part("search_models") as record:
            self.again(attempt)

    def _train(self) -> None:
        failed: list[InputError] = []
        # A model that a rule requires is used at once; the gate judges its scores.
        with closing(steps.trainings(self.workspace, self._sources, promote=True)) as begun:
            for source, finish in begun:
                try:
                    with self.part("train_model") as record:
                        self._train_one(source, finish, record)
                except InputError as error:  # of this source's data: the others can be trained
                    failed.append(error)
                self.progress.advance(source.name)
        raise_first(failed)

    def _train_one(self, source: Source, finish: "Finish", record: RunRecord) -> None:
        self.again(lambda: steps.train(self.workspace, record, source, finish, noted=self.noted))

    def report(self, runs: Callable[[], Sequence[str]]) -> None:
        """Write the page of each run that has none.

        Args:
            runs: Function that returns the runs when the step begins.
        """
        self.step("report", lambda: page_decisions(self.workspace, runs()), self._write_pages)

    def _write_pages(self) -> None:
        for run_id in self.due:
            page = _page(self.workspace, run_id)
            with self.part("report") as record:
                self.again(lambda: self._write_page(run_id, page))  # noqa: B023 - at once
                record.details = {"run": run_id, "report": str(page)}
            self.run.details.setdefault("reports", []).append(str(page))
            self.progress.advance(run_id)

    def _write_page(self, run_id: str, page: OutputFile) -> None:
        from textclf.report.run.data import load_run
        from textclf.report.run.page import render_report, write

        write(render_report(load_run(self.workspace, run_id)), page)

    def step(self, name: str, plan: Callable[[], list[Decision]], work: Callable[[], None]) -> None:
        """Plan a step and do what is due; after an error the chain goes on, unless it must stop or lost its lock.

        Args:
            name: Name of the step.
            plan: Function that decides what is due; ``due`` has the subjects of its decisions during the work.
            work: Function that does what is due; called only if something is.
        """
        cancellation.check()
        self.locks.check()
        self.due = []
        self.progress.begin(name)
        try:
            with described(self.workspace.spark, name), console.step(name):
                decisions = self.again(plan)
                self.run.details.setdefault("plan", []).extend(map(str, decisions))
                for decision in decisions:
                    say(str(decision), step=name)
                self.due = [decision.subject for decision in decisions if decision.due]
                reasons = dict.fromkeys(decision.reason for decision in decisions if decision.due or not self.due)
                self.progress.expect(len(self.due), "; ".join(reasons) or "nothing to do")
                if self.due:
                    work()
        except Exception as error:
            self.progress.end("failed", outcome_of(error).problem)
            if cancellation.asked():
                raise
            self.errors.append(error)
        else:
            self.progress.end("done" if self.due else "skipped")

    def raise_first(self) -> None:
        """Raise the first error of the steps, and log the others.

        Raises:
            Exception: A step has failed.
        """
        raise_first(self.errors)

    @contextmanager
    def part(self, job: str) -> Iterator[RunRecord]:
        """Give a step the run record of its job and add it to ``runs`` however the step ends."""
        record = RunRecord(job, config_digest=self.run.config_digest, spark_app_id=self.run.spark_app_id)
        self.progress.note_run(record.run_id)
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

    def again(self, work: Callable[[], _Result]) -> _Result:
        """Do the work, and retry it after transient failures as ``[nightly]`` says."""
        return again(work, self.workspace.pipeline.nightly.retries, self.workspace.pipeline.nightly.pause)

    @property
    def _sources(self) -> list[Source]:
        """The sources that are due."""
        return [source for source in self.workspace.pipeline.sources if source.name in self.due]

    def _plan_builds(self) -> Builds:
        return plan_builds(self.workspace, self._past(), self.rule)

    def _past(self) -> Past:
        if self.before is None:
            self.before = past(self.workspace.spark, self.workspace.warehouse)
        return self.before


def page_decisions(workspace: Workspace, runs: Sequence[str]) -> list[Decision]:
    """Decide for each run whether its page is to be written."""
    why = {True: "the page exists", False: "no page yet"}
    there = {run_id: _page(workspace, run_id).exists() for run_id in runs}
    return [Decision("report", run_id, not found, why[found]) for run_id, found in there.items()]


def _page(workspace: Workspace, run_id: str) -> OutputFile:
    from textclf.report.run.page import default_page

    return default_page(workspace.warehouse, run_id)
