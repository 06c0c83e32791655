"""Run the whole chain as far as it is missing or stale, in one session."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from textclf.chain.earlier_runs import past
from textclf.chain.facts import WholeInput, newest_scored, plan_builds, plan_input, plan_reads
from textclf.chain.model_rules import ChangeRule
from textclf.chain.progress import Progress
from textclf.chain.rules import EMPTY, INPUT, STEPS, STILL_REFUSED, Decision, still_refused
from textclf.chain.step_runner import StepRunner, chain_locked, page_decisions
from textclf.common.digests import json_digest
from textclf.common.logs import say
from textclf.corpus.deliveries import DeliveryError
from textclf.errors import InputError
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.score import score_planned
from textclf.spark.job_names import described, together

_SUMS = ("input", "input_version", "input_rows", "scored_rows", "rejected_rows", "models", "gate")
"""Fields of the record of a scoring run that the chain's record also has."""


def run_chain(
    workspace: Workspace, run: RunRecord, steps: Sequence[str] = STEPS, held: ExitStack | None = None
) -> None:
    """Run the steps that are missing or stale, and record each with its reasons in ``run``.

    Steps, lock and rules are those of a night, with two differences: a model is built whenever its corpus or its
    settings have changed, and the whole input is scored, in one run. After a step fails, the later ones do what they
    can without it.

    Args:
        workspace: Session, pipeline file, tables and models.
        run: Run record of the chain.
        steps: Steps to run, of ``STEPS``, in any order; the others are left out, also if they are due.
        held: Keeps the chain's lock open for the caller, so that the record is written under it. By default the lock
            is released at the end.

    Raises:
        UsageError, InputError, GateError, LockError, StoppedError: First error of the steps.
    """
    with chain_locked(workspace, run, held) as locks:
        before, progress = past(workspace.spark, workspace.warehouse), Progress()
        runner = StepRunner(workspace, run, progress, locks, before, ChangeRule(), {"chain": run.run_id})
        try:
            Chain(runner).work(steps)
        finally:
            run.details["steps"] = progress.steps
        if all(step["state"] == "skipped" for step in progress.steps):
            say("nothing to do: every step is up to date")


def plan_chain(workspace: Workspace, steps: Sequence[str] = STEPS) -> Iterator[Decision]:
    """Yield what ``run_chain`` would do, as far as that can be known beforehand, without writing anything.

    Raises:
        UsageError, InputError: As in the steps. Sources that cannot be found are raised after all decisions.
    """
    before = past(workspace.spark, workspace.warehouse)
    reads = plan_reads(workspace, before) if "ingest" in steps else None
    unread = reads.due if reads else set()
    builds = plan_builds(workspace, before, ChangeRule(), unread) if {"vocabulary", "models"} & {*steps} else None
    models = builds.models if builds and "models" in steps else []
    yield from reads.decisions if reads else []
    yield from builds.vocabularies if builds and "vocabulary" in steps else []
    yield from models
    score = _plan_score(workspace, models) if "score" in steps else None
    if score is not None:
        yield score
    if "report" in steps:
        yield from _plan_report(workspace, score)
    if reads and reads.failed:
        raise DeliveryError.of_unread(reads.failed)


def _plan_score(workspace: Workspace, models: Sequence[Decision]) -> Decision:
    if any(decision.due is not False for decision in models):
        return Decision("score", INPUT, None, "the models are built first")
    return plan_input(workspace).decision


def _plan_report(workspace: Workspace, score: Decision | None) -> list[Decision]:
    if score is not None and score.due is not False:
        return [Decision("report", INPUT, score.due, "of the run that scores it")]
    newest = newest_scored(workspace)
    return page_decisions(workspace, [newest] if newest else [])


@dataclass(frozen=True)
class Chain:
    """A chain in progress.

    Attributes:
        steps: The steps that nights have, too.
    """

    steps: StepRunner
    _planned: list[WholeInput] = field(default_factory=list, init=False)

    def work(self, asked: Sequence[str]) -> None:
        """Run the requested steps, in the order of ``STEPS``.

        Raises:
            Exception: First error, raised after the last step.
        """
        runner = self.steps
        work = {
            "ingest": runner.ingest,
            "vocabulary": runner.vocabulary,
            "models": runner.models,
            "score": self._score,
            "report": self._report,
        }
        for name in STEPS:
            if name in asked:
                work[name]()
        runner.raise_first()

    def _score(self) -> None:
        def plan() -> list[Decision]:
            self._planned[:] = [plan_input(self.steps.workspace)]
            return [self._planned[0].decision]

        self.steps.step("score", plan, lambda: self._score_input(self._planned[0]))
        if self._planned:
            self._check_input(self._planned[0])

    def _score_input(self, planned: WholeInput) -> None:
        """Score the whole input as the job ``score_table`` does, under its record."""
        workspace, run, held = self.steps.workspace, self.steps.run, ExitStack()

        def attempt() -> None:
            held.close()  # the locks of the previous attempt
            record.fence.check()  # a run that took those locks over has recorded this one as dead
            score_planned(workspace, record, planned.options, planned.plan, held)

        about = described(workspace.spark, source=together(planned.plan.routes.artifacts))
        with about, held, self.steps.part("score_table") as record:
            record.details |= {"chain": run.run_id, "fingerprint": _staged_fingerprint(workspace, planned, record)}
            try:
                self.steps.again(attempt)
            finally:
                for name in _SUMS:
                    setattr(run, name, getattr(record, name))
        self.steps.progress.advance(INPUT)

    def _check_input(self, planned: WholeInput) -> None:
        """Record an error for an input that is still refused or has no rows."""
        reason, errors = planned.decision.reason, self.steps.errors
        if planned.decision.due is False and reason.startswith(STILL_REFUSED):
            errors.append(still_refused("the rows of this input", f"run {reason.split()[-1]}"))
        if reason == EMPTY or self.steps.run.input_rows == 0:
            errors.append(
                InputError(
                    "The input has no rows.",
                    received=f"no row in {planned.plan.table.place}",
                    expected="a table with rows to score",
                    fix="run again when they have arrived, or set another input under [score]",
                )
            )

    def _report(self) -> None:
        def newest() -> list[str]:
            found = newest_scored(self.steps.workspace)
            return [found] if found else []

        self.steps.report(newest)


def _staged_fingerprint(workspace: Workspace, planned: WholeInput, record: RunRecord) -> str | None:
    """Return the digest by which a later run finds rows that this one has staged, if this one is stopped.

    Without a date column the rows have the day of the run, so that a run of another day must not take them.
    """
    if planned.fingerprint is None or workspace.pipeline.score.date is not None:
        return planned.fingerprint
    return json_digest([planned.fingerprint, record.started_at.date()], default=str)
