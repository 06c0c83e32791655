"""Baselines for the gate: what a model predicted for its own test rows, from the measures in its manifest."""

from collections.abc import Iterable

from textclf.artifact import Artifact
from textclf.quality.gate import Baseline
from textclf.quality.score_bins import BINS
from textclf.scoring.routing import Routes


def tested_baselines(routes: Routes, sources: Iterable[str | None]) -> dict[str | None, Baseline]:
    """Predictions and scores of each source's model on its test rows; sources without such measures are left out."""
    found: dict[str | None, Baseline] = {}
    for source in sources:
        artifact = routes.artifacts.get(routes.key or source or "")
        baseline = artifact and _baseline(artifact)
        if baseline:
            found[source] = baseline
    return found


def _baseline(artifact: Artifact) -> Baseline | None:
    """Read predicted labels from the columns of the confusion matrix, scores from the bins of the calibration."""
    metrics = artifact.manifest.metrics
    if not {"names", "confusion", "reliability"} <= metrics.keys():
        return None
    labels = {name: sum(row[at] for row in metrics["confusion"]) for at, name in enumerate(metrics["names"])}
    scores = [0] * BINS
    for each in metrics["reliability"]:
        place = each["lower"] * BINS
        if abs(place - round(place)) > 1e-6 or abs((each["upper"] - each["lower"]) * BINS - 1) > 1e-6:
            return None  # bins of another width
        scores[round(place)] += each["count"]
    return Baseline(labels, scores)
