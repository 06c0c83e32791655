"""Figures of a training run and of its measures; the same numbers give the same bytes."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf.common.file_systems import is_url
from textclf.common.output_files import OutputFile
from textclf.errors import InputError
from textclf.quality.score_bins import BINS
from textclf.training.evaluation import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue, vermilion and grey are distinct for colour-blind readers (Okabe and Ito 2008) and in print.
BLUE, VERMILION, _GREY = "#0072B2", "#D55E00", "#6E6E6E"
_LIGHT_BLUE = "#8CC3E3"  # light enough for lines drawn over it
_SUFFIXES = (".png", ".svg")
_DPI = 144
_LONGEST_NAME = 24  # characters of a label on an axis
_WRITTEN_LABELS = 20  # with more labels there is no room for numbers in the cells
_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 12,
    "font.size": 10,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "svg.hashsalt": "textclf",  # otherwise the ids of shapes are random
    "text.parse_math": False,  # a dollar sign in a label does not begin a formula
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Use matplotlib's defaults with this module's style, whatever the user's own settings are."""
    from matplotlib import style

    with style.context(["default", _STYLE]):
        yield


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, sized in inches, that needs no display and is not in pyplot's list of figures."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def history_figure(history: Mapping[str, Sequence[float]]) -> "Figure":
    """Draw accuracy and loss after each epoch, side by side.

    Args:
        history: ``accuracy`` and ``loss`` on the training rows after each epoch, as ``fit`` returns them; with a
            validation split also ``val_accuracy`` and ``val_loss``.

    Raises:
        InputError: There are no epochs, as with an architecture that has none, or the lists differ in length.
    """
    lengths = {name: len(values) for name, values in history.items()}
    if not {"accuracy", "loss"} <= set(lengths) or len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise InputError(
            "This training history cannot be drawn.",
            received=", ".join(f"{name}: {length} epochs" for name, length in lengths.items()) or "no epochs",
            expected="accuracy and loss, each with one number per epoch",
        )
    with figure_style():
        figure = new_figure(12, 5)
        for axes, measure in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
            _curves(axes, measure, history)
    return figure


def _curves(axes: "Axes", measure: str, history: Mapping[str, Sequence[float]]) -> None:
    from matplotlib.ticker import MaxNLocator

    for key, color, name in ((measure, BLUE, "Training"), (f"val_{measure}", VERMILION, "Validation")):
        values = history.get(key, ())
        if values:
            epochs = range(1, len(values) + 1)
            # A line with a single point would be invisible without markers.
            axes.plot(epochs, values, color=color, marker="o" if len(values) <= 30 else "", markersize=3.5, label=name)
    title = f"Training and validation {measure}" if f"val_{measure}" in history else f"Training {measure}"
    axes.set(title=title, xlabel="Epoch", ylabel=measure.capitalize())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend()


def confusion_figure(evaluation: Evaluation) -> "Figure":
    """Draw the confusion matrix: true labels as rows, predictions as columns, coloured by the share of the row.

    With up to 20 labels, each cell shows its count and share.
    """
    counts = np.array(evaluation.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(counts)
    with figure_style():
        side = 2.6 + min(max(size, 3) * 0.75, 14)
        figure = new_figure(side + 1, side)
        axes = figure.subplots()
        # Cells are drawn as shapes, not as an image, so that SVG is sharp at any size.
        mesh = axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
        names = [_short(name) for name in evaluation.names]
        small = min(10.0, 400 / size)  # points: the labels of many rows must not overlap
        slanted: dict[str, Any] = (
            {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 6 else {}
        )
        axes.set_xticks(np.arange(size) + 0.5, names, fontsize=small, **slanted)
        axes.set_yticks(np.arange(size) + 0.5, names, fontsize=small)
        axes.set(xlabel="Predicted label", ylabel="True label", aspect="equal")
        axes.set_title(f"Accuracy {evaluation.accuracy:.3f} on {evaluation.rows:,} rows")
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.colorbar(mesh, ax=axes, label="Share of the true label's rows", fraction=0.05, pad=0.04)
        if size <= _WRITTEN_LABELS:
            _write_cells(axes, counts, shares)
    return figure


def _write_cells(axes: "Axes", counts: Any, shares: Any) -> None:
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        # White on dark blue, near-black on light blue.
        color = "white" if share > 0.55 else "#222222"
        text = f"{count:,}\n{share:.0%}" if count else "0"
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=color, fontsize=9)


def reliability_figure(evaluation: Evaluation) -> "Figure":
    """Draw accuracy against confidence for each bin, above the number of rows in the bin.

    Bars below the diagonal mean that the model is overconfident, as in Guo et al. 2017.
    """
    bins = evaluation.reliability
    middles = [(found.lower + found.upper) / 2 for found in bins]
    width = 1 / BINS
    with figure_style():
        figure = new_figure(6, 6.6)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        above.plot(
            [0, 1], [0, 1], color="#222222", linestyle="--", linewidth=1.3, label="Perfect calibration", zorder=3
        )
        accuracies = [found.accuracy for found in bins]
        above.bar(middles, accuracies, width, color=_LIGHT_BLUE, edgecolor="white", label="Accuracy in the bin")
        confidences = [found.confidence for found in bins]
        above.plot(confidences, accuracies, "o", color=VERMILION, markersize=6, label="At the bin's mean confidence")
        above.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="Accuracy in the bin")
        above.set_title(f"Expected calibration error {evaluation.calibration_error:.3f}")
        above.legend(loc="upper left", frameon=True, framealpha=0.9, edgecolor="white")
        below.bar(middles, [found.count for found in bins], width, color=_GREY, edgecolor="white")
        below.yaxis.set_major_formatter("{x:,.0f}")
        below.set(xlabel="Confidence (highest probability)", ylabel="Rows")
        figure.align_ylabels()
    return figure


def save(figure: "Figure", path: str | Path) -> tuple[Path, Path]:
    """Save a figure as PNG and as SVG side by side; the same figure gives the same bytes.

    Args:
        figure: Figure to save.
        path: Path of both files without a suffix; a suffix ``.png`` or ``.svg`` is removed.

    Returns:
        Paths of the PNG file and of the SVG file.

    Raises:
        InputError: The files cannot be written.
    """
    path = Path(path)
    stem = path.stem if path.suffix in _SUFFIXES else path.name
    png, svg = (path.with_name(stem + suffix) for suffix in _SUFFIXES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with figure_style():
            # Without the date and the version of matplotlib, which would change the bytes.
            figure.savefig(png, dpi=_DPI, metadata={"Software": None})
            figure.savefig(svg, metadata={"Date": None, "Creator": None})
    except OSError as error:
        raise InputError(
            f"The figure {path} cannot be written.",
            received=error.strerror or error,
            expected="a folder that this user may write to",
            fix="check the path and its permissions",
        ) from error
    return png, svg


def save_all(figures: Iterable[tuple[str, "Figure"]], folder: str) -> None:
    """Save figures into a folder, each as PNG and as SVG.

    Args:
        figures: Name and figure, each in turn.
        folder: Path or URL of the folder, which is created if necessary.

    Raises:
        InputError: The files cannot be written to a folder on this machine.
        OSError: They cannot be written below the URL.
    """
    remote = is_url(folder)
    with tempfile.TemporaryDirectory() if remote else nullcontext(folder) as local:
        Path(local).mkdir(parents=True, exist_ok=True)
        for name, figure in figures:
            for file in save(figure, Path(local, name)):
                if remote:
                    OutputFile(f"{folder}/{file.name}").replace(file.read_bytes())


def _short(name: str) -> str:
    """Shorten a label to the room on an axis."""
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"
