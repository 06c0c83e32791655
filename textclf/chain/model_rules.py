"""Decide which models to build, and why: pure functions of what is known about each model."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from textclf.chain.earlier_runs import Done
from textclf.chain.rules import Decision
from textclf.config import Gate, Nightly
from textclf.quality.audit import Figures
from textclf.quality.gate import Baseline, chance_of_difference, stability_index
from textclf.runs.history import Publication


@dataclass(frozen=True)
class Drift:
    """The drift of a source's newest published day from the first days under its model.

    Attributes:
        day: Newest published day.
        value: Larger of the population stability indices of labels and scores; 0 if chance explains the difference.
        days: Number of days that the newest one is compared with.
    """

    day: date
    value: float
    days: int


@dataclass(frozen=True)
class ModelFacts:
    """The facts that decide whether a source's model is rebuilt.

    Attributes:
        source: Name of the source.
        version: Newest version; None before the first.
        champion: Version in use; None before the first.
        rows: Rows that the newest version was trained and tested on.
        built: Run that built the newest version; None if there is no record of it.
        corpus_rows: Records of the source in the corpus; None while they are still to be ingested.
        drift: Drift under the champion; None if it is not known.
        damaged: Why the champion cannot be used; None if it can.
        refused: Run that refused the source's newest delivery; None if it was published.
        unread: Whether the source is still to be ingested, so that its corpus is not known yet.
    """

    source: str
    version: str | None
    champion: str | None
    rows: int
    built: Done | None
    corpus_rows: int | None
    drift: Drift | None
    damaged: str | None = None
    refused: str | None = None
    unread: bool = False


class BuildRule(Protocol):
    """When models are built.

    Attributes:
        watches_drift: Whether the rule needs ``ModelFacts.drift``, which is read from earlier publications.
    """

    @property
    def watches_drift(self) -> bool: ...

    def compares(self, facts: ModelFacts) -> bool:
        """Whether the decision depends on what has changed since the newest version was built."""

    def decide(self, facts: ModelFacts, changes: Sequence[str] | None) -> Decision:
        """Decide whether to build a model.

        Args:
            facts: What is known about the model.
            changes: What has changed since the newest version was built, see ``changes``; None if it is not known.
        """


@dataclass(frozen=True)
class NightRule:
    """A night builds a model for its age, drift or growth, and only if something has changed since it was built.

    Attributes:
        limits: Section ``[nightly]`` of the pipeline file.
        night: Day that ages are counted to.
    """

    limits: Nightly
    night: date
    watches_drift = True

    def compares(self, facts: ModelFacts) -> bool:
        """Whether there is a reason to build the model."""
        return bool(model_reasons(facts, self.limits, self.night))

    def decide(self, facts: ModelFacts, changes: Sequence[str] | None) -> Decision:
        """Decide by the reasons of ``model_reasons``; see ``BuildRule``."""
        why = "; ".join(model_reasons(facts, self.limits, self.night))
        if nothing := no_corpus(facts):
            return Decision("models", facts.source, False, nothing)
        if why and changes is not None and not changes and not facts.unread:
            return Decision("models", facts.source, False, f"{why}; but {_same(facts)}")
        if why:
            return Decision("models", facts.source, True, why)
        # A corpus that is still to be ingested may have grown.
        return Decision("models", facts.source, None if facts.unread else False, no_reason(facts, self.night))


@dataclass(frozen=True)
class ChangeRule:
    """A model is built if there is none, or if its corpus or its settings have changed since its newest version."""

    watches_drift = False

    def compares(self, facts: ModelFacts) -> bool:
        """Whether there is a model that can be compared with its corpus and settings."""
        return not _missing(facts)

    def decide(self, facts: ModelFacts, changes: Sequence[str] | None) -> Decision:
        """Decide by what has changed; see ``BuildRule``."""
        why = "; ".join(_missing(facts) or changes or ())
        if nothing := no_corpus(facts):
            return Decision("models", facts.source, False, nothing)
        if why:
            return Decision("models", facts.source, True, why)
        if facts.unread:
            return Decision("models", facts.source, None, f"version {facts.version}, corpus still to be read")
        return Decision("models", facts.source, False, _same(facts))


def _missing(facts: ModelFacts) -> list[str]:
    """Return why the source has no model that can be used; empty if it has one."""
    if facts.champion is None:
        return ["no model yet"]
    return [facts.damaged] if facts.damaged else []


def _same(facts: ModelFacts) -> str:
    return f"version {facts.version} was built from this corpus and these settings"


def changes(version: str, built: Done | None, settings: str, *, corpus: bool) -> list[str]:
    """Return what has changed since a version was built; empty if building it again would give the same model.

    Args:
        version: The newest version.
        built: The newest run that built a version.
        settings: Digest of the current settings, see ``workflow.steps.model_settings``.
        corpus: Whether the corpus is another than the version was built from.
    """
    if built is None or built.figures.get("version") != version:
        return [f"no record of how version {version} was built"]
    found = ["the corpus has"] if corpus else []
    found += ["the settings have"] if built.figures.get("settings") != settings else []
    return [f"{each} changed since run {built.run_id}" for each in found]


def needs_corpus(version: str, built: Done | None, ingested: Done | None) -> bool:
    """Whether the corpus must be read to tell if a version was built from it, since the records do not say so.

    Args:
        version: The newest version.
        built: The newest run that built a version of the source's model.
        ingested: The run that published the source's newest delivery.
    """
    if built is None or built.figures.get("version") != version:
        return False  # it is not known how the version was built, whatever the corpus is
    return ingested is None or built.started_at < ingested.ended_at


def model_reasons(facts: ModelFacts, rule: Nightly, night: date) -> list[str]:
    """Return a night's reasons to rebuild a model; empty if there are none."""
    if missing := _missing(facts):
        return missing
    reasons = []
    age = (night - facts.built.night).days if facts.built else None
    if rule.every_days and (age is None or age >= rule.every_days):
        reasons.append(f"built {age} days ago (every {rule.every_days})" if age is not None else "no record of a build")
    drift = facts.drift
    if drift and drift.value > rule.max_psi:
        reasons.append(f"{drift.day} drifted by an index of {drift.value:.3g} (at most {rule.max_psi:g})")
    growth = _growth(facts)
    if growth is not None and growth >= rule.min_growth:
        reasons.append(f"corpus grew by {growth:.1%} (from {rule.min_growth:.1%} on)")
    return reasons


def no_corpus(facts: ModelFacts) -> str | None:
    """Say why no model can be built for a source that has been ingested; None if one can, or if it has not been."""
    if facts.unread:
        return None
    refused = f"; run {facts.refused} refused its newest delivery" if facts.refused else ""
    # Without a record of an ingest the corpus may still have rows, unless the recorded delivery was refused.
    empty = facts.corpus_rows == 0 or (facts.corpus_rows is None and facts.refused)
    return f"the corpus has no records of this source{refused}" if empty else None


def no_reason(facts: ModelFacts, night: date) -> str:
    """Describe a model that a night does not rebuild."""
    parts = [f"version {facts.version}"]
    if facts.built:
        parts.append(f"built {(night - facts.built.night).days} days ago")
    parts.append(f"index {facts.drift.value:.3g} on {facts.drift.day}" if facts.drift else "no drift known")
    growth = _growth(facts)
    changed = f"corpus {'shrank' if (growth or 0) < 0 else 'grew'} by {abs(growth or 0):.1%}"
    parts.append("corpus still to be read" if facts.corpus_rows is None else changed)
    return ", ".join(parts)


def _growth(facts: ModelFacts) -> float | None:
    return facts.corpus_rows / facts.rows - 1 if facts.corpus_rows is not None and facts.rows else None


def drift_of(source: str, version: str, published: Sequence[Publication], gate: Gate) -> Drift | None:
    """Return the drift of a source under its champion; None while there are too few rows or days.

    Args:
        source: Name of the source.
        version: Version in use.
        published: Publications, newest first; the newest of each day counts.
        gate: Section ``[gate]``, for ``history``, ``min_rows`` and ``significance``.
    """
    days: dict[date | None, Figures] = {}
    for publication in published:
        for figures in publication.slices:
            ours = figures.slice.source == source and figures.slice.ds is not None
            if ours and f"{source}@{version}" in publication.models:
                days.setdefault(figures.slice.ds, figures)
    ordered = sorted((day, figures) for day, figures in days.items() if day is not None and figures.scored)
    if len(ordered) < 2:
        return None
    day, newest = ordered[-1]
    first = ordered[:-1][: gate.history]
    before = Baseline.of(figures for _, figures in first)
    if min(before.rows, newest.scored) < gate.min_rows:
        return None
    labels = sorted({*newest.labels, *before.labels})
    pairs = (
        ([newest.labels[name] for name in labels], [before.labels.get(name, 0) for name in labels]),
        (newest.scores, list(before.scores)),
    )
    values = [stability_index(*pair) for pair in pairs if chance_of_difference(*pair) < gate.significance]
    return Drift(day, max(values, default=0.0), len(first))
