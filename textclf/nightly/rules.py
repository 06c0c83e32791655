"""What a night has to do, and why: pure functions of what is known before each step."""

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
    """Whether something is done for a source or a day, and why.

    Attributes:
        due: None where an earlier step of the same night decides it.
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
    """How far the newest published day of a source is from the first days that its model was in use for.

    Attributes:
        value: The larger index of labels and scores; 0 where chance explains it.
    """

    day: date
    value: float
    days: int


@dataclass(frozen=True)
class ModelFacts:
    """What the rule for a source's model goes by.

    Attributes:
        version: The newest version, None before the first.
        champion: The version in use.
        rows: Rows that the newest version was trained and tested on.
        built: The run that built it, None where no record tells.
        corpus_rows: Records that the corpus has of the source now; None where they are not read yet.
        damaged: Why the version in use cannot be used; None where nothing is known against it.
        refused: The run that refused the source's newest delivery, None where it passed.
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
    """For each source, whether its files are others than those of the newest ingest that published them.

    A source whose newest delivery was refused is read each night: whether the same files pass now nobody knows before,
    and files of the delivery before, put back, have to be read for the refusal to be over.

    Args:
        found: Fingerprint of each source's files now.
        known: The newest ingest of each source that published its delivery.
        refused: The one that refused its newest delivery.
        failed: Sources that cannot be found, with why; reading them says so again.
    """
    made = []
    for source, mark in found.items():
        before, no = known.get(source), refused.get(source)
        if no is not None and no.figures.get("fingerprint") == mark:
            made.append(Decision("ingest", source, True, f"files are those that run {no.run_id} refused: read again"))
        elif no is not None and (before is None or before.figures.get("fingerprint") == mark):
            made.append(Decision("ingest", source, True, f"run {no.run_id} refused its newest delivery: read again"))
        elif before is None:
            made.append(Decision("ingest", source, True, "never read"))
        elif before.figures.get("fingerprint") is None:
            made.append(Decision("ingest", source, True, f"run {before.run_id} noted no fingerprint of its files"))
        elif before.figures["fingerprint"] != mark:
            made.append(Decision("ingest", source, True, f"files or section changed since run {before.run_id}"))
        else:
            made.append(Decision("ingest", source, False, f"files are those of run {before.run_id}"))
    return made + [Decision("ingest", source, True, why) for source, why in failed.items()]


def model_reasons(facts: ModelFacts, rule: Nightly, night: date) -> list[str]:
    """Why a model should be built anew; empty where nothing says so."""
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
    """Why nothing can be built for a source whose corpus is read; None where something can."""
    refused = f"; run {facts.refused} refused its newest delivery" if facts.refused else ""
    # Who reads nothing from a record may have a corpus all the same, unless a run says that it left none.
    empty = facts.corpus_rows == 0 or (facts.corpus_rows is None and facts.refused)
    return f"the corpus has no record of it{refused}" if empty else None


def no_reason(facts: ModelFacts, night: date) -> str:
    """What is known of a model that stays as it is."""
    parts = [f"version {facts.version}"]
    if facts.built:
        parts.append(f"built {(night - facts.built.night).days} days ago")
    parts.append(f"index {facts.drift.value:.3g} on {facts.drift.day}" if facts.drift else "no drift known")
    growth = _growth(facts)
    changed = f"corpus {'shrank' if (growth or 0) < 0 else 'grew'} by {abs(growth or 0):.1%}"
    parts.append("corpus to be read" if facts.corpus_rows is None else changed)
    return ", ".join(parts)


def _growth(facts: ModelFacts) -> float | None:
    return facts.corpus_rows / facts.rows - 1 if facts.corpus_rows is not None and facts.rows else None


def vocabulary_decision(source: str, known: Past, settings: str) -> Decision:
    """Whether the vocabulary of a source, whose model is to be built, is that of its corpus."""
    counted, ingested = known.counted.get(source), known.ingested.get(source)
    if counted is None:
        return Decision("vocabulary", source, True, "none yet")
    if ingested is None or counted.started_at < ingested.ended_at:
        return Decision("vocabulary", source, True, "the corpus was read since")
    if counted.figures.get("settings") != settings:
        return Decision("vocabulary", source, True, "the settings of the split changed")
    return Decision("vocabulary", source, False, f"run {counted.run_id} counted this corpus")


def drift_of(source: str, version: str, published: Sequence[Publication], gate: Gate) -> Drift | None:
    """The drift of a source under the model in use; None while it has too few rows or days.

    Args:
        version: The one in use.
        published: The newest first; of each day the newest counts.
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
    """For each day asked for, and each of the days before them that may have changed, whether it is scored.

    Args:
        marks: What decides the rows of each day; none where the input's content cannot be told.
        published, refused: The newest run of each day that published it, or was refused.
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
        return True, "the input does not tell whether it changed"
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
    """Of a day before those asked for only its input counts: a new model is for new days.

    Args:
        begun: Whether an earlier day has been published: nobody asked for the days before the first.
    """
    if mark is None or not mark.input:
        return False, ""
    if no is not None and no.input_digest == mark.input:
        return False, f"refused in run {no.run_id}, and its input is the same"
    if before is None:
        return (True, "has rows and was not published") if begun else (False, "")
    if before.input_digest is None:
        return False, f"run {before.run_id} noted no digest of its input"
    if before.input_digest != mark.input:
        return True, f"its input changed since run {before.run_id}"
    return False, ""
