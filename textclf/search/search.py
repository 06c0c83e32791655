"""The search: trials of all sources in one fan-out; a source's winner is trained as soon as its trials have ended."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from textclf.artifact import ModelStore
from textclf.common.logs import say
from textclf.config import Source
from textclf.models import KerasArchitecture
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace, takes_workspace
from textclf.search.encode import EncodedSources, encoded_sources
from textclf.search.encoded_source import Pack
from textclf.search.progress import Progress
from textclf.search.schedule import ordered
from textclf.search.selection import Verdict
from textclf.search.source_lock import sources_locked
from textclf.search.source_search import ParsedCandidate, SourceSearch, parsed_candidates
from textclf.search.trial import SUCCEEDED, FoldPlan, Result, Trial
from textclf.search.trials_table import Ledger
from textclf.search.warm_up import import_ahead, worker_environment
from textclf.search.winner import Saved, Winner, for_all_rows, save, saved_before, search_record
from textclf.spark.environments import check_tensorflow
from textclf.spark.job_names import carried
from textclf.spark.task_pool import FanOut
from textclf.storage.leases.locks import Locks, searched
from textclf.training.data import unseen_warning

_POLL = 0.05  # seconds between two polls for ended tasks
_GATHERED = 0.5  # seconds to gather winners and next rungs for one Spark job
_TRIALS, _WINNERS = "trials", "winners"
_RETURNED = 256 << 20  # bytes of models that are trained or saved at a time; a job's results may have 1 GiB in all
_BESIDE = 8  # threads that look models up and save them: an object store takes some tenths of a second for each

T = TypeVar("T")


@dataclass
class Outcome:
    """Outcome of the search of one source.

    Attributes:
        source: Name of the source.
        verdict: Candidate that was chosen, and why; None where all candidates failed.
        saved: The trained and saved winner; None without one.
        nested: Accuracy on each outer fold of a nested cross-validation.
        seconds: Time of all trials and of the winner's training, in seconds.
        trials: Number of trials, those of earlier searches included.
        failed: Number of trials that failed.
        promoted: Whether the winner is the source's champion now.
        problem: Reason why there is no winner; None where there is one.
        warnings: Remarks on the choice for the reader of the search's output.
    """

    source: str
    verdict: Verdict | None = None
    saved: Saved | None = None
    nested: list[float] = field(default_factory=list)
    seconds: float = 0.0
    trials: int = 0
    failed: int = 0
    promoted: bool = False
    problem: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass
class SearchReport:
    """A finished search: its outcomes by source, and its trials.

    Attributes:
        search_id: Identifier of the search, as in the table ``trials``.
        outcomes: Outcome of each source, by the source's name.
        ran: Number of trials that this search ran.
        known: Number of trials whose results were taken from an earlier search.
        seconds: Wall time, in seconds.
        results: All trials of the searched candidates with what they measured, for pictures and logs.
    """

    search_id: str
    outcomes: dict[str, Outcome]
    ran: int
    known: int
    seconds: float
    results: list[tuple[Trial, Result]]


Report = SearchReport
"""The name until 0.1."""


@takes_workspace
def search_models(
    workspace: Workspace,
    sources: Sequence[Source],
    search_id: str,
    *,
    fresh: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    locks: Locks | None = None,
) -> SearchReport:
    """Search for the best model of each source by cross-validation and make it the source's champion.

    Trials run side by side as Spark tasks. A fault of one source or candidate is in its outcome and stops nothing else.

    Args:
        workspace: The session, the pipeline file (``[search]``, ``[train]``, ``[text]``, ``[split]``), tables and
            models.
        sources: Sources with rows in ``corpus`` and ``vocabulary``.
        search_id: Identifier of the search in the table ``trials``.
        fresh: Whether to run trials again that an earlier search has finished; by default their results are reused.
        on_progress: Callback that gets, whenever a trial has ended, the number of trials that have ended and of all
            trials so far; None for a progress bar alone.
        locks: Locks on the searches of these sources that the caller holds and gives back; None to take them here.

    Returns:
        The outcome of each source, and all trials.

    Raises:
        UsageError: An architecture, hyperparameter or setting does not exist or is out of range.
        InputError: There is no corpus or vocabulary.
        LockError: Another search is running on one of the sources.

    Example:
        >>> from textclf import search_models
        >>> report = search_models(workspace, workspace.pipeline.sources, "first-search")
        >>> outcome = report.outcomes["reviews"]
        >>> outcome.verdict.chosen.trial.candidate.architecture, outcome.promoted, report.ran
        ('logistic_regression', True, 2)
    """
    spark, pipeline = workspace.spark, workspace.pipeline
    begun = time.monotonic()
    # Before anything runs: a mistake in the space must not cost an hour.
    fields = {source.name: parsed_candidates(pipeline, pipeline.search.plan(source.name)) for source in sources}
    networks = any(
        isinstance(each.candidate.made, KerasArchitecture) for entered in fields.values() for each in entered
    )
    if networks:
        check_tensorflow(dict(spark.sparkContext.getConf().getAll()), "a search of networks, which executors fit")
    engine = pipeline.train.keras_backend
    with ExitStack() as stack, ThreadPoolExecutor(_BESIDE) as beside:
        if locks is None:
            search = RunRecord("search_models", run_id=search_id)
            locks = stack.enter_context(sources_locked(workspace, list(fields), search))
        # Beside the workers' start and the encoding, which leave the driver and the JVM waiting.
        earlier = beside.submit(carried(spark, _ledger), workspace, search_id, list(fields), fresh=fresh)
        if networks:
            import_ahead(spark.sparkContext, engine)
        encoded = stack.enter_context(encoded_sources(workspace, sources))
        ledger, known = earlier.result()
        running = _Running(workspace, locks, encoded, ledger, known, search_id if fresh else "", beside)
        running.progress.on_progress = on_progress or running.progress.on_progress
        with worker_environment(spark.sparkContext, engine):
            running.begin(fields)
            running.finish()
        return running.report(time.monotonic() - begun)


def _ledger(
    workspace: Workspace, search_id: str, sources: list[str], *, fresh: bool
) -> tuple[Ledger, dict[str, Result]]:
    """The table of trials, and the results of earlier searches of the sources."""
    ledger = Ledger.of(workspace, search_id)
    return ledger, {} if fresh else ledger.known(sources)


@dataclass
class _Running:
    """A running search. All of it is on the driver's main thread, except for waiting for Spark jobs."""

    workspace: Workspace
    locks: Locks
    encoded: EncodedSources
    ledger: Ledger
    known: dict[str, Result]
    fresh: str
    beside: ThreadPoolExecutor
    searches: list[SourceSearch] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    reused: int = 0
    _owners: dict[str, tuple[SourceSearch, Trial]] = field(default_factory=dict)
    _outer: dict[str, tuple[SourceSearch, Trial]] = field(default_factory=dict)
    _winners: dict[str, tuple[Winner, Outcome]] = field(default_factory=dict)
    _ready: list[Trial] = field(default_factory=list)
    _won: list[Winner] = field(default_factory=list)
    _trained: set[str] = field(default_factory=set)
    _bytes: dict[str, int] = field(default_factory=dict)
    _awaited: list[tuple[Future[Any], Callable[[Any], None]]] = field(default_factory=list)
    _submitted: float = -math.inf

    def __post_init__(self) -> None:
        context = self.workspace.spark.sparkContext
        self._trials, self._training = FanOut(context, _TRIALS), FanOut(context, _WINNERS)
        self._store = ModelStore(self.workspace.models)
        self.progress = Progress(0, lambda: self._trials.running() + self._training.running())

    def begin(self, fields: dict[str, list[ParsedCandidate]]) -> None:
        """Start the trials of every source."""
        pipeline = self.workspace.pipeline
        for name, info in self.encoded.infos.items():
            plan = pipeline.search.plan(name)
            self.outcomes[name] = Outcome(name, problem=info.problem)
            if info.problem is not None:
                continue
            if warning := unseen_warning(name, info.unseen, info.test_rows):
                self.outcomes[name].warnings.append(warning)
            folds = FoldPlan(plan.folds, pipeline.split.seed, plan.nested)
            for outer in [None, *range(plan.nested or 0)]:
                inner = folds if outer is not None else replace(folds, nested=None)
                search = SourceSearch(info, plan, inner, outer, pipeline.train.keras_backend, fields[name])
                self.searches.append(search)
                begun = search.begin()
                self.progress.total += len(begun) + search.asked + (outer is not None)
                self._enter(search, begun)
        self._submit()

    def finish(self) -> None:
        """Wait for all trials and winners, and record each as it ends."""
        try:
            while self._owners or self._outer or self._winners:
                self._take(self._trials.results(), self._training.results())
                self._go_on()
                self._submit()
                self.ledger.flush()
                self.progress.show()
                time.sleep(_POLL)
        finally:
            self.ledger.flush(all_of_it=True)
            self.progress.close()
            self._trials.close()
            self._training.close()
        self.ledger.merge()

    def report(self, seconds: float) -> SearchReport:
        """The report, once everything has ended."""
        for outcome in self.outcomes.values():
            for warning in outcome.warnings:
                say(warning, "warning", source=outcome.source)
        results = [pair for search in self.searches for pair in search.pairs()]
        return SearchReport(self.ledger.search_id, self.outcomes, self.ledger.written, self.reused, seconds, results)

    def _take(self, results: Iterable[Result], saved: Iterable[Saved]) -> None:
        for result in results:
            owner = self._owners.pop(result.key, None) or self._outer.pop(result.key, None)
            if owner is None:
                continue  # a second attempt of a task, whose first result was taken
            search, trial = owner
            self.ledger.add(trial, result)
            self._done(search, trial, result)
        for each in saved:
            if each.key in self._winners and each.key not in self._trained:
                self._trained.add(each.key)
                self._beside(self._crown, save, self._store, self._winners[each.key][0], each)

    def _beside(self, then: Callable[[Any], None], work: Callable[..., Any], *values: Any) -> None:
        """Use the storage, which may be slow, on another thread, and go on with the result on this one."""
        self._awaited.append((self.beside.submit(work, *values), then))

    def _go_on(self) -> None:
        awaited, self._awaited = self._awaited, []
        for future, then in awaited:
            if future.done():
                then(future.result())
            else:
                self._awaited.append((future, then))

    def _enter(self, search: SourceSearch, trials: Iterable[Trial]) -> None:
        """Take the trials that a search asks for: known results at once, the other trials to be run."""
        trials = list(trials)
        for trial in trials:
            result = self.known.get(trial.key)
            if result is None:
                self._owners[trial.key] = search, trial
                self._ready.append(trial)
        for trial in trials:
            if trial.key in self.known:
                self.reused += 1
                self._done(search, trial, self.known[trial.key], known=True)

    def _done(self, search: SourceSearch, trial: Trial, result: Result, *, known: bool = False) -> None:
        self.progress.add(trial, result, known=known)
        outcome = self.outcomes[search.info.source]
        outcome.trials += 1
        outcome.failed += result.status != SUCCEEDED
        outcome.seconds += result.seconds
        if trial.fold is None:
            search.results[trial.key], search.trials[trial.key] = result, trial
            if result.accuracy is not None:
                outcome.nested.append(result.accuracy)
            return
        following = search.done(result)
        if following:
            # Where all of them are known, this call ends and decides the search.
            self._enter(search, following)
        elif search.verdict is not None:
            self._decided(search, search.verdict)
        elif search.problem is not None and search.outer is None:
            outcome.problem = search.problem

    def _decided(self, search: SourceSearch, verdict: Verdict) -> None:
        trial = for_all_rows(verdict.chosen)
        if search.outer is not None:
            if trial.key in self.known:
                self.reused += 1
                self._done(search, trial, self.known[trial.key], known=True)
            else:
                self._outer[trial.key] = search, trial
                self._ready.append(trial)
            return
        outcome = self.outcomes[search.info.source]
        outcome.verdict = verdict
        if verdict.baseline is None:
            outcome.warnings.append(f"{outcome.source}: no network had a baseline to beat: {search.baseline_error}")
        record = search_record(self.ledger.search_id, search, verdict)
        winner = Winner(trial, self.workspace.pipeline.split, record, self.fresh)
        self._winners[winner.key] = winner, outcome
        self._beside(partial(self._train, winner), saved_before, self._store, winner)

    def _train(self, winner: Winner, before: tuple[Saved | None, list[str]]) -> None:
        """Train a winner unless an earlier search has saved it."""
        found, damaged = before
        self._winners[winner.key][1].warnings.extend(damaged)
        if found is None:
            self._won.append(winner)
        else:
            self._crown(found)

    def _submit(self) -> None:
        """Start what is ready in one Spark job instead of one for each source."""
        if time.monotonic() - self._submitted < _GATHERED:
            return
        begun = self._with_room()
        if not (self._ready or begun):
            return
        slots = self.workspace.spark.sparkContext.defaultParallelism
        for pack, trials in self._by_pack(ordered(self._ready, slots), lambda trial: trial):
            self._trials.submit(trials, pack)
        for pack, winners in self._by_pack(begun, lambda winner: winner.trial):
            self._training.submit(winners, pack)
        self._ready, self._submitted = [], time.monotonic()

    def _with_room(self) -> list[Winner]:
        """Take the winners that may be trained now: models that come back at once would fill the driver's memory."""
        begun, left = [], []
        for winner in sorted(self._won, key=lambda winner: -winner.trial.cost):
            if not self._bytes or sum(self._bytes.values()) + winner.size <= _RETURNED:
                self._bytes[winner.key] = winner.size
                begun.append(winner)
            else:
                left.append(winner)
        self._won = left
        return begun

    def _by_pack(self, tasks: Iterable[T], trial: Callable[[T], Trial]) -> list[tuple[Pack, list[T]]]:
        """Tasks in their order by pack, which is what a job's executors get of encoded sources."""
        found: dict[int, tuple[Pack, list[T]]] = {}
        for task in tasks:
            pack = self.encoded.packs[trial(task).info.source]
            found.setdefault(id(pack), (pack, []))[1].append(task)
        return list(found.values())

    def _crown(self, saved: Saved) -> None:
        outcome = self._winners.pop(saved.key)[1]
        self._bytes.pop(saved.key, None)
        outcome.saved, outcome.problem = saved, saved.error
        outcome.warnings += saved.warnings
        outcome.seconds += saved.seconds
        if saved.error is None:
            self.locks.check(
                searched(saved.source)
            )  # a search that lost its lock must not replace another search's champion
            self._store.promote(saved.source, saved.version)
            outcome.promoted = True
