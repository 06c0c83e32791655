"""Decide what a night has to do, and why: pure functions of what is known before each step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from textclf.config import Gate, Nightly
from textclf.nightly.earlier_runs import Done, Past
from textclf.quality.audit import Figures
from textclf.quality.gate import Baseline, chance_of_difference, stability_index
from textclf.runs.history import Publication
from textclf.scoring.days import Mark

NO_ROWS = "the input has no rows of this day"
STILL_REFUSED = "refused from the same input, models and settings in run"


@dataclass(frozen=True)
class Decision:
    """Whether a step is done for a source or a day, and why.

    Attributes:
        step: Name of the step.
        subject: Source, day or run.
        due: Whether the step is done; None if an earlier step of the same night decides it.
        reason: Reason in words.
    """

    step: str
    subject: str
    due: bool | None
    reason: str

    def __str__(self) -> str:
        word = {True: "do", False: "skip", None: "later"}[self.due]
        return f"{self.step:<10}  {self.subject:<16}  {word:<5}  {self.reason}"


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


def ingest_decisions(
    found: Mapping[str, str],
    known: Mapping[str, Done],
    refused: Mapping[str, Done] = MappingProxyType({}),
    failed: Mapping[str, str] = MappingProxyType({}),
) -> list[Decision]:
    """Decide for each source whether its files differ from those of the newest ingest that published them.

    A source whose newest delivery was refused is read every night. The same files may pass now, and if the files of
    the previous delivery were put back, they must be read to end the refusal.

    Args:
        found: Current fingerprint of each source's files.
        known: Newest ingest of each source that published its delivery.
        refused: Ingest that refused the newest delivery of a source.
        failed: Reason for each source that cannot be found; ingesting it raises the error again.
    """
    made = []
    for source, mark in found.items():
        before, no = known.get(source), refused.get(source)
        if no is not None and no.figures.get("fingerprint") == mark:
            made.append(Decision("ingest", source, True, f"run {no.run_id} refused the same files: read again"))
        elif no is not None and (before is None or before.figures.get("fingerprint") == mark):
            made.append(Decision("ingest", source, True, f"run {no.run_id} refused its newest delivery: read again"))
        elif before is None:
            made.append(Decision("ingest", source, True, "never read"))
        elif before.figures.get("fingerprint") is None:
            made.append(Decision("ingest", source, True, f"run {before.run_id} has no fingerprint of its files"))
        elif before.figures["fingerprint"] != mark:
            made.append(Decision("ingest", source, True, f"files or section changed since run {before.run_id}"))
        else:
            made.append(Decision("ingest", source, False, f"files are those of run {before.run_id}"))
    return made + [Decision("ingest", source, True, why) for source, why in failed.items()]


def model_reasons(facts: ModelFacts, rule: Nightly, night: date) -> list[str]:
    """Return the reasons to rebuild a model; empty if there are none."""
    if facts.champion is None:
        return ["no model yet"]
    if facts.damaged:
        return [facts.damaged]
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
    """Say why no model can be built for a source that has been ingested; None if one can."""
    refused = f"; run {facts.refused} refused its newest delivery" if facts.refused else ""
    # Without a record of an ingest the corpus may still have rows, unless the recorded delivery was refused.
    empty = facts.corpus_rows == 0 or (facts.corpus_rows is None and facts.refused)
    return f"the corpus has no records of this source{refused}" if empty else None


def no_reason(facts: ModelFacts, night: date) -> str:
    """Describe a model that is not rebuilt."""
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


def vocabulary_decision(source: str, known: Past, settings: str) -> Decision:
    """Decide whether the vocabulary of a source must be rebuilt before its model."""
    counted, ingested = known.counted.get(source), known.ingested.get(source)
    if counted is None:
        return Decision("vocabulary", source, True, "none yet")
    if ingested is None or counted.started_at < ingested.ended_at:
        return Decision("vocabulary", source, True, "the corpus was read since")
    if counted.figures.get("settings") != settings:
        return Decision("vocabulary", source, True, "the settings of the split changed")
    return Decision("vocabulary", source, False, f"run {counted.run_id} counted this corpus")


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


def day_decisions(
    asked: Iterable[date],
    late: Iterable[date],
    marks: Mapping[date, Mark],
    published: Mapping[date | None, Publication],
    refused: Mapping[date | None, Publication],
) -> list[Decision]:
    """Decide whether to score each requested day, and each earlier day that may have changed.

    Args:
        asked: Requested days.
        late: Earlier days.
        marks: Digests of what decides the rows of each day; empty if the input's content is not known.
        published, refused: Newest run of each day that published it, or that was refused.
    """
    wanted = list(asked)
    first = min((day for day in published if day is not None), default=None)
    made = []
    for day in sorted({*wanted, *late}):
        mark, before, no = marks.get(day), published.get(day), refused.get(day)
        if no is not None and before is not None and before.ended_at > no.ended_at:
            no = None
        if day in wanted:
            due, reason = _asked(mark, before, no)
        else:
            due, reason = _late(mark, before, no, begun=first is not None and first < day)
        if reason:
            made.append(Decision("score", day.isoformat(), due, reason))
    return made


def _asked(mark: Mark | None, before: Publication | None, no: Publication | None) -> tuple[bool, str]:
    if mark is None:
        return True, "it is not known whether the input changed"
    if not mark.input:
        return False, NO_ROWS
    if no is not None and no.fingerprint == mark.fingerprint:
        return False, f"{STILL_REFUSED} {no.run_id}"
    if before is None:
        return True, "not published yet"
    if before.fingerprint != mark.fingerprint:
        return True, f"input, models or settings changed since run {before.run_id}"
    return False, f"published by run {before.run_id} from the same input, models and settings"


def _late(mark: Mark | None, before: Publication | None, no: Publication | None, *, begun: bool) -> tuple[bool, str]:
    """Decide by the input alone whether to score a day before the requested ones: a new model is for new days.

    Args:
        mark: Digests of what decides the rows of the day.
        before: Newest run that published the day.
        no: Newest run of the day that was refused.
        begun: Whether an earlier day has been published: days before the first one were never requested.
    """
    if mark is None or not mark.input:
        return False, ""
    if no is not None and no.input_digest == mark.input:
        return False, f"refused in run {no.run_id}, and its input is the same"
    if before is None:
        return (True, "has rows and was not published") if begun else (False, "")
    if before.input_digest is None:
        return False, f"run {before.run_id} has no digest of its input"
    if before.input_digest != mark.input:
        return True, f"its input changed since run {before.run_id}"
    return False, ""
