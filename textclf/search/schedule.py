"""Order in which the trials of a search start; Spark gives the next one to the first free slot."""

import heapq
from collections.abc import Sequence
from typing import Any

from textclf.search.trial import Trial


def ordered(trials: Sequence[Trial], slots: int) -> list[Trial]:
    """Order trials so that large ones start first and none runs alone at the end.

    Candidates are assigned to slots, the largest first and each to the slot that is free first (longest processing time
    first: Graham 1969); trials are then sorted by the start time that this gives them. The folds of a candidate follow
    each other on one slot where that does not lengthen the search, so that the slot compiles or loads its program once.
    The assignment is only a guess: a slot that is free early takes the next trial, whichever slot it was meant for.
    """
    by_candidate: dict[tuple[Any, ...], list[Trial]] = {}
    for trial in trials:
        candidate = trial.info.source, trial.candidate, trial.settings.epochs, trial.outer
        by_candidate.setdefault(candidate, []).append(trial)
    largest = sorted(by_candidate.values(), key=lambda folds: (-folds[0].cost, folds[0].key))
    evenly = sum(trial.cost for trial in trials) / slots  # a lower bound: no schedule ends earlier
    free = [0.0] * slots
    begins = []
    for folds in largest:
        in_a_row = free[0] + sum(trial.cost for trial in folds) <= evenly
        for together in [folds] if in_a_row else [[trial] for trial in folds]:
            at = free[0]
            for trial in together:
                begins.append((at, trial))
                at += trial.cost
            heapq.heapreplace(free, at)
    return [trial for _, trial in sorted(begins, key=lambda each: (each[0], -each[1].cost))]
