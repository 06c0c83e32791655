"""Search space: which hyperparameters and fit settings a search tries."""

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from textclf.config import Distribution, Pipeline, SearchPlan, Space
from textclf.config.pipeline import Scalar
from textclf.errors import UsageError
from textclf.models import Architecture, architecture
from textclf.training.settings import FitSettings, separate, used_by

BASELINE = "logistic_regression"
_TRIES = 100  # draws for each candidate of a continuous space, after which repeated values end the sampling


@dataclass(frozen=True)
class Candidate:
    """An architecture and the values that differ from its defaults, in the order of the space."""

    architecture: str
    values: tuple[tuple[str, Scalar], ...] = ()

    @property
    def made(self) -> Architecture:
        """The architecture itself."""
        return architecture(self.architecture)

    @property
    def params(self) -> str:
        """The values as JSON, keys sorted: equal candidates have equal text."""
        return json.dumps(dict(self.values), sort_keys=True)

    def parse(self, pipeline: Pipeline, plan: SearchPlan) -> tuple[Any, FitSettings]:
        """Validated hyperparameters and fit settings.

        Raises:
            UsageError: A value that the architecture refuses.
        """
        defaults = {"epochs": plan.epochs, "batch_size": plan.batch_size}
        used = {key: value for key, value in defaults.items() if key in used_by(self.made)}
        return separate(pipeline, self.made, used | dict(self.values))  # type: ignore[arg-type]


def candidates(plan: SearchPlan, seed: int) -> list[Candidate]:
    """Draw the candidates of a plan, the same for the same seed; logistic regression is always among them.

    A finite space is sampled without replacement, so that a sample of its full size is the grid.

    Raises:
        UsageError: There is no such architecture, or no architecture of the search knows a key.
    """
    spaces = _spaces(plan)
    if plan.strategy == "grid":
        found = [_at(name, space, index) for name, space in spaces.items() for index in range(_size(space))]
    elif any(isinstance(values, Distribution) for space in spaces.values() for values in space.values()):
        found = list(itertools.islice(_drawn(spaces, plan.candidates, seed), plan.candidates))
    else:
        found = _sampled(spaces, plan.candidates, seed)
    if not any(candidate.architecture == BASELINE for candidate in found):
        found.append(Candidate(BASELINE))
    return found


def _spaces(plan: SearchPlan) -> dict[str, Space]:
    """The space of each architecture."""
    known = {name: set(architecture(name).hyperparameters.model_fields) for name in plan.searched}
    known = {name: keys | used_by(architecture(name)) for name, keys in known.items()}
    everywhere = set().union(*known.values())
    if unknown := sorted(set(plan.space) - everywhere):
        raise UsageError(
            "The space has a key that no architecture of the search knows.",
            received=", ".join(unknown),
            expected=f"keys among: {', '.join(sorted(everywhere))}",
            fix="correct [search.space] in the pipeline file, or name the architecture that has it",
        )
    return {
        name: {key: values for key, values in plan.space.items() if key in known[name]} | plan.spaces.get(name, {})
        for name in plan.searched
    }


def _size(space: Space) -> int:
    return math.prod(len(values) for values in space.values() if isinstance(values, list))


def _at(name: str, space: Space, index: int) -> Candidate:
    """The candidate with that number in a finite space; the last key changes fastest."""
    values: list[tuple[str, Scalar]] = []
    for key, allowed in reversed(space.items()):
        assert isinstance(allowed, list)
        index, place = divmod(index, len(allowed))
        values.append((key, allowed[place]))
    return Candidate(name, tuple(reversed(values)))


def _sampled(spaces: Mapping[str, Space], count: int, seed: int) -> list[Candidate]:
    sizes = [_size(space) for space in spaces.values()]
    # Sampling the candidates' numbers costs nothing, even in a space of a billion.
    chosen = random.Random(seed).sample(range(sum(sizes)), min(count, sum(sizes)))
    begins = list(itertools.accumulate(sizes, initial=0))
    found = []
    for number in chosen:
        which = next(place for place, end in enumerate(begins[1:]) if number < end)
        name = list(spaces)[which]
        found.append(_at(name, spaces[name], number - begins[which]))
    return found


def _drawn(spaces: Mapping[str, Space], count: int, seed: int) -> Iterator[Candidate]:
    generator = random.Random(seed)
    seen = set()
    for _ in range(count * _TRIES):
        name = generator.choice(list(spaces))
        values = tuple((key, _draw(generator, allowed)) for key, allowed in spaces[name].items())
        candidate = Candidate(name, values)
        if candidate not in seen:
            seen.add(candidate)
            yield candidate


def _draw(generator: random.Random, allowed: list[Scalar] | Distribution) -> Scalar:
    if isinstance(allowed, list):
        return generator.choice(allowed)
    if allowed.log:
        return math.exp(generator.uniform(math.log(allowed.low), math.log(allowed.high)))
    return generator.uniform(allowed.low, allowed.high)
