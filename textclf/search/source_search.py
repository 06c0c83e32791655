"""Search of one source: its candidates are compared all at once, or rung by rung."""

from dataclasses import dataclass, field
from typing import Any

from textclf.config import Pipeline, SearchPlan
from textclf.models import KerasArchitecture
from textclf.search.encoded_source import Info
from textclf.search.halving import rungs
from textclf.search.selection import CandidateResult, Verdict, candidate_result, choose
from textclf.search.space import BASELINE, Candidate, candidates
from textclf.search.trial import SUCCEEDED, FoldPlan, Result, Trial
from textclf.training.settings import FitSettings


@dataclass(frozen=True)
class ParsedCandidate:
    """A candidate with validated hyperparameters and fit settings."""

    candidate: Candidate
    values: Any
    settings: FitSettings


@dataclass
class SourceSearch:
    """The candidates of one source; with ``outer``, on the rows that an outer fold leaves.

    Attributes:
        trials: All trials started so far, by key.
        verdict: The choice, once every trial has ended; None before, and where all candidates failed.
        problem: Reason why all candidates failed; None otherwise.
    """

    info: Info
    plan: SearchPlan
    folds: FoldPlan
    outer: int | None
    engine: str
    candidates: list[ParsedCandidate]
    trials: dict[str, Trial] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    verdict: Verdict | None = None
    problem: str | None = None
    _rungs: list[tuple[int, int]] = field(default_factory=list)
    _running: list[ParsedCandidate] = field(default_factory=list)
    _open: set[str] = field(default_factory=set)
    _errors: list[str] = field(default_factory=list)

    def begin(self) -> list[Trial]:
        """Start the search; return its first trials."""
        networks = [each for each in self.candidates if isinstance(each.candidate.made, KerasArchitecture)]
        self._running = self.candidates
        if self.plan.strategy == "halving" and networks:
            self._rungs = rungs(len(networks), self.plan.epochs, self.plan.reduction)
        return self._next()

    @property
    def asked(self) -> int:
        """Largest number of trials that may follow those already started."""
        return sum(count for count, _ in self._rungs) * self.folds.folds

    def done(self, result: Result) -> list[Trial]:
        """Take a result; return the trials that can start after it."""
        self.results[result.key] = result
        self._open.discard(result.key)
        if self._open:
            return []
        if self._rungs:
            ranked = sorted(self._ended(networks=True), key=lambda each: each.rank)
            kept = [each.trial for each in ranked[: self._rungs[0][0]]]
            self._running = [ParsedCandidate(trial.candidate, trial.values, trial.settings) for trial in kept]
            if self._running:
                return self._next()
        self._decide()
        return []

    @property
    def baseline_error(self) -> str:
        """Reason why the baseline has no result."""
        errors = (
            result.said or result.status
            for key, result in self.results.items()
            if self.trials[key].candidate.architecture == BASELINE and result.status != SUCCEEDED
        )
        return next(errors, "it was not tried")

    def pairs(self) -> list[tuple[Trial, Result]]:
        """Trials that have ended, with their results."""
        return [(self.trials[key], result) for key, result in self.results.items()]

    def _next(self) -> list[Trial]:
        """Start the trials of the remaining candidates."""
        begun = []
        if self._rungs:
            budget = self._rungs.pop(0)[1]
            self._running = [_within(each, budget) for each in self._running]
        for parsed in self._running:
            for fold in range(self.folds.folds):
                made = parsed.candidate, parsed.values, parsed.settings
                trial = Trial(self.info, *made, self.folds, self.outer, fold, self.engine)
                if trial.key not in self.trials:
                    begun.append(trial)
                    self.trials[trial.key] = trial
        self._open = {trial.key for trial in begun}
        return begun

    def _ended(self, *, networks: bool = False) -> list[CandidateResult]:
        """Results of the candidates of the last rung, and of all that have no epochs."""
        found = []
        running = {(each.candidate, each.settings.epochs) for each in self._running}
        by_candidate: dict[tuple[Candidate, int], list[tuple[Trial, Result]]] = {}
        for key, trial in self.trials.items():
            by_candidate.setdefault((trial.candidate, trial.settings.epochs), []).append((trial, self.results[key]))
        for (candidate, epochs), trials in by_candidate.items():
            network = isinstance(candidate.made, KerasArchitecture)
            if (network and (candidate, epochs) not in running) or (networks and not network):
                continue
            stood = candidate_result(trials)
            if stood is not None:
                found.append(stood)
            else:
                self._errors += [result.said or result.status for _, result in trials if result.error]
        return found

    def _decide(self) -> None:
        results = self._ended()
        if results:
            self.verdict = choose(results, self.plan)
        else:
            self.problem = f"every candidate failed; the first: {(self._errors or ['no trial'])[0]}"


def _within(parsed: ParsedCandidate, epochs: int) -> ParsedCandidate:
    """The candidate with that number of epochs, if its architecture has epochs."""
    if not isinstance(parsed.candidate.made, KerasArchitecture):
        return parsed
    return ParsedCandidate(parsed.candidate, parsed.values, parsed.settings.model_copy(update={"epochs": epochs}))


def parsed_candidates(pipeline: Pipeline, plan: SearchPlan) -> list[ParsedCandidate]:
    """The validated candidates of a plan.

    Raises:
        UsageError: An architecture, key or value that does not exist or is out of range.
    """
    return [
        ParsedCandidate(candidate, *candidate.parse(pipeline, plan))
        for candidate in candidates(plan, pipeline.split.seed)
    ]
