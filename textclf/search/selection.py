"""Choice of the candidate that becomes a source's champion."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from textclf.config import SearchPlan
from textclf.search.space import BASELINE
from textclf.search.trial import SUCCEEDED, Result, Trial


@dataclass(frozen=True)
class CandidateResult:
    """What a candidate reached over all folds.

    Attributes:
        trial: One of its trials.
        accuracy, loss: Means over the folds.
        standard_error: Standard error of the mean accuracy: standard deviation over the folds divided by the square
            root of their number.
        epochs: Median over the folds of the best epoch; 0 for an architecture without epochs.
    """

    trial: Trial
    accuracy: float
    loss: float
    standard_error: float
    epochs: int

    @property
    def is_baseline(self) -> bool:
        """Whether it is a logistic regression."""
        return self.trial.candidate.architecture == BASELINE

    @property
    def rank(self) -> tuple[float, float, int, str]:
        """Sort key, best first: accuracy, loss, size; then the parameters, for the same order everywhere."""
        return -self.accuracy, self.loss, self.trial.parameters, self.trial.candidate.params


@dataclass(frozen=True)
class Verdict:
    """The choice among the candidates of a source.

    Attributes:
        best: Candidate with the highest mean accuracy.
        chosen: Candidate that becomes champion.
        baseline: Best logistic regression; None where all of them failed.
        beats_baseline: Whether the best network is better than the baseline; None without one of them.
        rule: Rule by which the candidate was chosen.
    """

    best: CandidateResult
    chosen: CandidateResult
    baseline: CandidateResult | None
    beats_baseline: bool | None
    rule: str


def candidate_result(trials: Sequence[tuple[Trial, Result]]) -> CandidateResult | None:
    """The result of a candidate's folds; None where one of them failed."""
    if any(result.status != SUCCEEDED for _, result in trials):
        return None
    accuracies = [result.accuracy or 0.0 for _, result in trials]
    losses = [result.loss if result.loss is not None else math.inf for _, result in trials]
    error = statistics.stdev(accuracies) / math.sqrt(len(trials)) if len(trials) > 1 else 0.0
    epochs = statistics.median_low(result.epochs or 0 for _, result in trials)
    return CandidateResult(trials[0][0], statistics.mean(accuracies), statistics.mean(losses), error, epochs)


def choose(results: Sequence[CandidateResult], plan: SearchPlan) -> Verdict:
    """Choose the best candidate, or the smallest within one standard error of it; the baseline where it is not worse.

    The one-standard-error rule is that of Breiman et al., Classification and Regression Trees, 1984.
    """
    ranked = sorted(results, key=lambda each: each.rank)
    best, rule = ranked[0], "best mean accuracy"
    baseline = next((each for each in ranked if each.is_baseline), None)
    network = next((each for each in ranked if not each.is_baseline), None)
    beats = None if baseline is None or network is None else network.accuracy > baseline.accuracy
    eligible = ranked if plan.beat_baseline or network is None else [each for each in ranked if not each.is_baseline]
    chosen = eligible[0]
    if not plan.beat_baseline and beats is False:
        rule = "best network, though the baseline is not worse: beat_baseline is off"
    if plan.one_standard_error:
        near = [each for each in eligible if each.accuracy >= chosen.accuracy - chosen.standard_error]
        smallest = min(near, key=lambda each: (each.trial.parameters, each.rank))
        if smallest is not chosen:
            chosen, rule = smallest, "smallest within one standard error of the best"
    better = baseline is None or chosen.is_baseline or chosen.accuracy > baseline.accuracy
    if plan.beat_baseline and not better:
        assert baseline is not None
        chosen, rule = (
            baseline,
            "baseline, which no network beats" if not beats else "baseline, better than the smaller model",
        )
    return Verdict(best, chosen, baseline, beats, rule)
