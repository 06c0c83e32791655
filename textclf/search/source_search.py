"""The candidates of one source on their way to a verdict: all at once, or rung by rung."""

from dataclasses import dataclass, field
from typing import Any

from textclf.config import Pipeline, SearchPlan
from textclf.models import KerasArchitecture
from textclf.search.encoded_source import Info
from textclf.search.halving import rungs
from textclf.search.selection import Standing, Verdict, choose, standing
from textclf.search.space import BASELINE, Choice, candidates
from textclf.search.trial import SUCCEEDED, FoldPlan, Result, Trial
from textclf.training.settings import FitSettings


@dataclass(frozen=True)
class Entrant:
    """A candidate with its values checked."""

    choice: Choice
    values: Any
    settings: FitSettings


@dataclass
class Race:
    """One source's candidates; with ``outer``, on what an outer fold leaves.

    Attributes:
        trials: All trials begun so far, by key.
        verdict: The choice, once every trial has ended; None before, and where all candidates failed.
        problem: Why there is no verdict, once there can be none.
    """

    info: Info
    plan: SearchPlan
    folds: FoldPlan
    outer: int | None
    engine: str
    entrants: list[Entrant]
    trials: dict[str, Trial] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    verdict: Verdict | None = None
    problem: str | None = None
    _rungs: list[tuple[int, int]] = field(default_factory=list)
    _running: list[Entrant] = field(default_factory=list)
    _open: set[str] = field(default_factory=set)
    _errors: list[str] = field(default_factory=list)

    def begin(self) -> list[Trial]:
        """The first trials."""
        networks = [each for each in self.entrants if isinstance(each.choice.made, KerasArchitecture)]
        self._running = self.entrants
        if self.plan.strategy == "halving" and networks:
            self._rungs = rungs(len(networks), self.plan.epochs, self.plan.reduction)
        return self._next()

    @property
    def asked(self) -> int:
        """Trials that are still to come after those begun, at most."""
        return sum(count for count, _ in self._rungs) * self.folds.folds

    def done(self, result: Result) -> list[Trial]:
        """Take a result; the trials that it makes possible."""
        self.results[result.key] = result
        self._open.discard(result.key)
        if self._open:
            return []
        if self._rungs:
            ranked = sorted(self._standings(networks=True), key=lambda each: each.rank)
            kept = [each.trial for each in ranked[: self._rungs[0][0]]]
            self._running = [Entrant(trial.choice, trial.values, trial.settings) for trial in kept]
            if self._running:
                return self._next()
        self._decide()
        return []

    @property
    def baseline_error(self) -> str:
        """Why the baseline has no standing."""
        errors = (
            result.said or result.status
            for key, result in self.results.items()
            if self.trials[key].choice.architecture == BASELINE and result.status != SUCCEEDED
        )
        return next(errors, "it was not tried")

    def pairs(self) -> list[tuple[Trial, Result]]:
        """Trials that have ended, with their results."""
        return [(self.trials[key], result) for key, result in self.results.items()]

    def _next(self) -> list[Trial]:
        """Trials of the entrants that are still in the race."""
        begun = []
        if self._rungs:
            budget = self._rungs.pop(0)[1]
            self._running = [_within(each, budget) for each in self._running]
        for entrant in self._running:
            for fold in range(self.folds.folds):
                made = entrant.choice, entrant.values, entrant.settings
                trial = Trial(self.info, *made, self.folds, self.outer, fold, self.engine)
                if trial.key not in self.trials:
                    begun.append(trial)
                    self.trials[trial.key] = trial
        self._open = {trial.key for trial in begun}
        return begun

    def _standings(self, *, networks: bool = False) -> list[Standing]:
        """Candidates of the last rung, and all that have no epochs."""
        found = []
        running = {(each.choice, each.settings.epochs) for each in self._running}
        by_entrant: dict[tuple[Choice, int], list[tuple[Trial, Result]]] = {}
        for key, trial in self.trials.items():
            by_entrant.setdefault((trial.choice, trial.settings.epochs), []).append((trial, self.results[key]))
        for (choice, epochs), trials in by_entrant.items():
            network = isinstance(choice.made, KerasArchitecture)
            if (network and (choice, epochs) not in running) or (networks and not network):
                continue
            stood = standing(trials)
            if stood is not None:
                found.append(stood)
            else:
                self._errors += [result.said or result.status for _, result in trials if result.error]
        return found

    def _decide(self) -> None:
        standings = self._standings()
        if standings:
            self.verdict = choose(standings, self.plan)
        else:
            self.problem = f"every candidate failed; the first: {(self._errors or ['no trial'])[0]}"


def _within(entrant: Entrant, epochs: int) -> Entrant:
    """The entrant with that many epochs, where it has any."""
    if not isinstance(entrant.choice.made, KerasArchitecture):
        return entrant
    return Entrant(entrant.choice, entrant.values, entrant.settings.model_copy(update={"epochs": epochs}))


def entrants(pipeline: Pipeline, plan: SearchPlan) -> list[Entrant]:
    """The candidates of a plan, their values checked.

    Raises:
        UsageError: An architecture, key or value that does not exist or is out of range.
    """
    return [Entrant(choice, *choice.parse(pipeline, plan)) for choice in candidates(plan, pipeline.split.seed)]
