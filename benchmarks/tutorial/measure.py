"""Fits repeated over seeds, and the place of a published figure among them."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textclf.models import architecture
from textclf.text.encoder import Encoder
from textclf.text.vocabulary import Vocabulary
from textclf.training.data import Rows
from textclf.training.fit import ModelSpec, fit
from textclf.training.settings import FitSettings
from textclf.training.train import sorted_vocabulary


@dataclass(frozen=True)
class Spread:
    """Figures of runs that differ in their seed alone."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.mean(self.values)

    @property
    def deviation(self) -> float:
        """Their standard deviation, of a sample."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        return f"{four(self.mean)} ± {four(self.deviation)} ({four(low)} to {four(high)})"

    def holds(self, figure: float) -> bool:
        """Whether a figure is inside: between the lowest and the highest run, as published, to four digits."""
        return round(min(self.values), 4) <= figure <= round(max(self.values), 4)

    def place(self, figure: float) -> str:
        """Where a figure stands: runs below it, and its distance from the mean in standard deviations."""
        below = sum(round(value, 4) < figure for value in self.values)
        distance = f", {(figure - self.mean) / self.deviation:+.1f} deviations" if self.deviation else ""
        return f"{'inside' if self.holds(figure) else 'outside'}: {below} of {len(self.values)} below{distance}"


@dataclass(frozen=True)
class Recipe:
    """What is fitted, and how.

    Attributes:
        vocabulary: None takes the words of the training rows, as counts need them.
        settings: Of the fit, but for the seed.
    """

    architecture: str
    hyperparameters: Mapping[str, Any]
    settings: Mapping[str, Any]
    vocabulary: Vocabulary | None = None
    max_length: int = 100

    def candidate(self, train: Rows, labels: int, seed: int) -> ModelSpec:
        """The candidate for those training rows."""
        made = architecture(self.architecture)
        vocabulary = self.vocabulary or sorted_vocabulary(train, made.tokenizer)
        num_words = 5000 if self.vocabulary else len(vocabulary.tokens) + 1
        encoder = Encoder(made.tokenizer, vocabulary, num_words, self.max_length)
        settings = FitSettings.model_validate({"epochs": 1, "batch_size": 10, "seed": seed} | dict(self.settings))
        return ModelSpec(made, made.parse(self.hyperparameters), encoder, labels, settings)


def predictions(recipe: Recipe, train: Rows, tests: Sequence[Rows], labels: int, seed: int) -> list[Any]:
    """Fit once; the predicted labels of each of the tests, each of shape (n,)."""
    fitted = fit(recipe.candidate(train, labels, seed), train)
    return [fitted.predict(test.texts).argmax(axis=1) for test in tests]


def accuracies(recipe: Recipe, train: Rows, test: Rows, labels: int, seeds: int) -> Spread:
    """Accuracy on the test rows, a fit a seed."""
    found = []
    for seed in range(seeds):
        (predicted,) = predictions(recipe, train, [test], labels, seed)
        found.append(float(np.mean(predicted == test.labels)))
    sys.stderr.write(f"{recipe.architecture} {dict(recipe.hyperparameters)}: {Spread(tuple(found))}\n")
    return Spread(tuple(found))


def four(value: float) -> str:
    """A share with four digits, as the tutorial prints them."""
    return f"{value:.4f}".removeprefix("0") if 0 <= value < 1 else f"{value:.4f}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"
