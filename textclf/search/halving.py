"""Successive halving on epochs (Jamieson and Talwalkar, AISTATS 2016): many candidates briefly, few to the end."""

import math


def rungs(candidates: int, epochs: int, reduction: int) -> list[tuple[int, int]]:
    """How many candidates run at each step and for how many epochs, the last step with all epochs.

    Example:
        >>> rungs(9, 20, 3), rungs(2, 20, 3), rungs(27, 3, 3)
        ([(9, 3), (3, 7), (1, 20)], [(2, 20)], [(27, 1), (9, 3)])
    """
    steps = [(candidates, epochs)]
    while steps[0][0] // reduction ** len(steps) >= 1 and epochs // reduction ** len(steps) >= 1:
        budget = math.ceil(epochs / reduction ** len(steps))
        steps = [(candidates, budget)] + [(max(1, count // reduction), kept) for count, kept in steps]
    return steps
