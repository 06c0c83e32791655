"""Figures of a search: accuracy over the search space, and the winner's learning curves."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf.report.training_figures import BLUE, VERMILION, figure_style, new_figure
from textclf.search.search import SearchReport
from textclf.search.trial import SUCCEEDED, Result, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAP = "viridis"
Pairs = Sequence[tuple[Trial, Result]]


def search_figures(report: SearchReport) -> Iterator[tuple[str, "Figure"]]:
    """Yield name and figure of each source's search space and of its winner's learning curves, if it has any."""
    for name, outcome in report.outcomes.items():
        pairs = [pair for pair in report.results if pair[0].info.source == name and pair[0].outer is None]
        means = mean_accuracies(pairs)
        if means:
            yield f"{name}-space", space_figure(name, means)
        if outcome.verdict is not None:
            chosen = outcome.verdict.chosen.trial
            curves = [
                result.history
                for trial, result in pairs
                if (trial.candidate, trial.settings) == (chosen.candidate, chosen.settings) and result.history
            ]
            if curves:
                yield f"{name}-curves", curves_figure(name, curves)


def mean_accuracies(pairs: Pairs) -> list[tuple[dict[str, Any], float]]:
    """Return the hyperparameters and mean accuracy of the candidates of one architecture: that with the most of them.

    A candidate that ran with several numbers of epochs counts with the largest.
    """
    found: dict[tuple[Any, int], list[float]] = {}
    for trial, result in pairs:
        if trial.candidate.values and result.status == SUCCEEDED and result.accuracy is not None:
            found.setdefault((trial.candidate, trial.settings.epochs), []).append(result.accuracy)
    last = {
        candidate: (epochs, values)
        for (candidate, epochs), values in sorted(found.items(), key=lambda each: each[0][1])
    }
    by_name: dict[str, list[tuple[dict[str, Any], float]]] = {}
    for candidate, (_, values) in last.items():
        by_name.setdefault(candidate.architecture, []).append((dict(candidate.values), float(np.mean(values))))
    return max(by_name.values(), key=len, default=[])


def space_figure(name: str, means: Sequence[tuple[Mapping[str, Any], float]]) -> "Figure":
    """Draw a heat map if two hyperparameters vary over a full grid, otherwise parallel coordinates."""
    keys = [key for key in means[0][0] if len({str(values[key]) for values, _ in means}) > 1]
    with figure_style():
        figure = new_figure(7.5, 5)
        axes = figure.subplots()
        options = [_options(means, key) for key in keys]
        if len(keys) == 2 and math.prod(map(len, options)) == len(means):
            mesh = _heat_map(axes, keys, options, means)
        else:
            mesh = _parallel(axes, keys or list(means[0][0])[:1], means)
        axes.set_title(f"{name}: mean accuracy over the folds")
        axes.grid(visible=False)
        figure.colorbar(mesh, ax=axes, label="Mean accuracy")
    return figure


def _options(means: Sequence[tuple[Mapping[str, Any], float]], key: str) -> list[Any]:
    values = {values[key] for values, _ in means}
    return sorted(values, key=lambda value: (isinstance(value, str), value))


def _heat_map(
    axes: "Axes", keys: Sequence[str], options: Sequence[list[Any]], means: Sequence[tuple[Mapping[str, Any], float]]
) -> Any:
    grid = np.zeros((len(options[0]), len(options[1])))
    for values, accuracy in means:
        grid[options[0].index(values[keys[0]]), options[1].index(values[keys[1]])] = accuracy
    mesh = axes.pcolormesh(grid, cmap=_MAP, edgecolors="white", linewidth=1)
    middle = (grid.min() + grid.max()) / 2
    for (row, column), accuracy in np.ndenumerate(grid):
        color = "white" if accuracy < middle else "#222222"
        axes.text(column + 0.5, row + 0.5, f"{accuracy:.3f}", ha="center", va="center", color=color)
    axes.set_yticks(np.arange(len(options[0])) + 0.5, [str(value) for value in options[0]])
    axes.set_xticks(np.arange(len(options[1])) + 0.5, [str(value) for value in options[1]])
    axes.set(ylabel=keys[0], xlabel=keys[1])
    return mesh


def _parallel(axes: "Axes", keys: Sequence[str], means: Sequence[tuple[Mapping[str, Any], float]]) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    accuracies = [accuracy for _, accuracy in means]
    scale = ScalarMappable(Normalize(min(accuracies), max(accuracies)), _MAP)
    for values, accuracy in sorted(means, key=lambda each: each[1]):  # drawn last, the best lines are on top
        heights = [_height(values[key], _options(means, key)) for key in keys]
        heights.append((accuracy - min(accuracies)) / (max(accuracies) - min(accuracies) or 1))
        axes.plot(range(len(heights)), heights, color=tuple(scale.to_rgba(np.array([accuracy]))[0]), linewidth=1.6)
    for place, key in enumerate(keys):
        options = _options(means, key)
        shown = options if len(options) <= 8 else [options[0], options[-1]]
        for value in shown:
            text = f"{value:.3g}" if isinstance(value, float) else str(value)
            axes.text(place, _height(value, options), f" {text}", va="center", fontsize=9)
    axes.set_xticks(range(len(keys) + 1), [*keys, "accuracy"])
    axes.set_yticks([])
    for place in range(len(keys) + 1):
        axes.axvline(place, color="#444444", linewidth=0.8)
    return scale


def _height(value: Any, options: Sequence[Any]) -> float:
    """Return a value's position on its axis, from 0 to 1: by size for numbers with many options, else by order."""
    if len(options) > 8 and isinstance(value, int | float):
        return float((value - options[0]) / (options[-1] - options[0]))
    return options.index(value) / max(len(options) - 1, 1)


def curves_figure(name: str, curves: Sequence[Mapping[str, Sequence[float]]]) -> "Figure":
    """Draw loss and accuracy of the chosen candidate by epoch: a thin line for each fold, a thick one for the mean."""
    from matplotlib.ticker import MaxNLocator

    with figure_style():
        figure = new_figure(12, 5)
        for axes, measure in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
            for key, color, label in ((measure, BLUE, "Training"), (f"val_{measure}", VERMILION, "Held out")):
                shortest = min(len(curve[key]) for curve in curves)
                for curve in curves:
                    axes.plot(range(1, len(curve[key]) + 1), curve[key], color=color, alpha=0.3, linewidth=0.8)
                mean = np.mean([curve[key][:shortest] for curve in curves], axis=0)
                marker = "o" if shortest == 1 else ""
                axes.plot(range(1, shortest + 1), mean, color=color, marker=marker, label=f"{label}, mean of folds")
            axes.set(title=f"{name}: {measure} of the chosen candidate", xlabel="Epoch", ylabel=measure.capitalize())
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.legend()
    return figure
