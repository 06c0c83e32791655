"""Figures of a run's results beside those of the week before, embedded in a page."""

import base64
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf.quality.score_bins import bin_edges
from textclf.report.run.distributions import Distribution
from textclf.report.training_figures import BLUE, VERMILION, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABELS = 12  # there is no room for more labels


def label_figure(now: Distribution, before: Distribution | None) -> "Figure":
    """Draw the share of each label: a bar for this run and, if there is one, a bar for the week before."""
    both = now.labels + (before.labels if before else now.labels.__class__())
    names = [name for name, _ in both.most_common(_LABELS)]
    with figure_style():
        figure = new_figure(5.2, 1.1 + 0.45 * len(names))
        axes = figure.subplots()
        places = np.arange(len(names))
        shares = [now.share(name) for name in names]
        axes.barh(places - (0.2 if before else 0), shares, 0.4 if before else 0.6, color=BLUE, label="this run")
        if before:
            axes.barh(places + 0.2, [before.share(name) for name in names], 0.4, color=VERMILION, label="before")
        axes.set_yticks(places, [name if len(name) <= 24 else name[:23] + "…" for name in names])
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.set(xlabel="Share of rows", xlim=(0, None))
        figure.legend(loc="outside upper right", ncols=2)
    return figure


def score_figure(now: Distribution, before: Distribution | None) -> "Figure":
    """Draw the share of rows in each bin of the score: this run as an area, the week before as a line."""
    edges = bin_edges()
    with figure_style():
        figure = new_figure(5.2, 2.6)
        axes = figure.subplots()
        axes.stairs(np.array(now.bins) / max(now.rows, 1), edges, fill=True, color=BLUE, alpha=0.45, label="this run")
        if before:
            axes.stairs(
                np.array(before.bins) / max(before.rows, 1), edges, color=VERMILION, linewidth=2, label="before"
            )
        axes.yaxis.set_major_formatter("{x:.0%}")
        # With two labels, a score is at least one half; empty bins would take up half of the figure.
        filled = [at for at, count in enumerate(now.bins) if count or (before and before.bins[at])]
        axes.set(xlabel="Score of the chosen label", ylabel="Share of rows", xlim=(edges[min(filled, default=0)], 1))
        figure.legend(loc="outside upper right", ncols=2)
    return figure


def data_uri(figure: "Figure") -> str:
    """Return the figure as SVG in a ``data:`` URI; as an image, its ids cannot clash with others of the page."""
    held = io.BytesIO()
    with figure_style():
        figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(held.getvalue()).decode()


def pictures(now: Distribution, before: Distribution | None) -> list[tuple[str, str]]:
    """Return title and ``data:`` URI of each figure."""
    drawn: Sequence[tuple[str, Callable[..., Any]]] = (("Labels", label_figure), ("Scores", score_figure))
    return [(title, data_uri(draw(now, before))) for title, draw in drawn]
