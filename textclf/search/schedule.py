"""The order in which a search's trials begin: Spark gives the next one to whichever slot is free."""

import heapq
from collections.abc import Sequence
from typing import Any

from textclf.search.trial import Trial


def ordered(trials: Sequence[Trial], slots: int) -> list[Trial]:
    """Trials in the order in which they should begin: large ones first, so that none runs alone at the end.

    The folds of a candidate follow each other on a slot, which then compiles or loads its program once, where that
    does not lengthen the search: candidates are given to slots, the largest first and each to the one that is free
    first (longest processing time first: Graham 1969), and trials stand in the order of the begin that this gives them.
    A slot whose trials take longer or shorter than they should gets what another was to have, and nothing waits for it.
    """
    by_candidate: dict[tuple[Any, ...], list[Trial]] = {}
    for trial in trials:
        candidate = trial.info.source, trial.choice, trial.settings.epochs, trial.outer
        by_candidate.setdefault(candidate, []).append(trial)
    largest = sorted(by_candidate.values(), key=lambda folds: (-folds[0].cost, folds[0].key))
    evenly = sum(trial.cost for trial in trials) / slots  # no schedule ends earlier
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
