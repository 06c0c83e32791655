"""What the rules of ``rules`` go by, asked of files, tables and models; nothing is written."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from pyspark.sql import SparkSession

from textclf.artifact import Manifest, ModelStore
from textclf.config import Pipeline, Source
from textclf.corpus.first_look import Fingerprint
from textclf.corpus.ingest import fingerprints
from textclf.logs import say
from textclf.nightly.past import Done, Past
from textclf.nightly.rules import (
    Decision,
    ModelFacts,
    day_decisions,
    drift_of,
    ingest_decisions,
    model_reasons,
    no_reason,
    vocabulary_decision,
)
from textclf.recorded import in_subfolders, model_settings, vocabulary_settings
from textclf.scoring.backfill import Mark, mark_days
from textclf.scoring.plan import Plan, ScoreOptions, plan_scoring
from textclf.tables import Warehouse
from textclf.tables.history import Publication, newest_of_days, publications


def builds_by(pipeline: Pipeline) -> str:
    """``search`` or ``train``: what builds models."""
    given = pipeline.nightly.build
    if given != "auto":
        return given
    return "search" if "search" in pipeline.model_fields_set else "train"


@dataclass(frozen=True)
class Reads:
    """What to ingest: fingerprints of all sources now, and a decision for each."""

    found: Mapping[str, Fingerprint]
    decisions: list[Decision]


def plan_reads(spark: SparkSession, pipeline: Pipeline, before: Past) -> Reads:
    """Whether the files of each source have changed.

    Raises:
        InputError: A source cannot be found.
    """
    found = fingerprints(spark, pipeline.sources)
    made = ingest_decisions({name: mark.digest for name, mark in found.items()}, before.ingested)
    return Reads(found, [_of_subfolders(each, found[each.subject], before.ingested.get(each.subject)) for each in made])


def _of_subfolders(decision: Decision, mark: Fingerprint, before: Done | None) -> Decision:
    """The decision, which says so where all that is new are subfolders, which earlier releases did not read."""
    if not decision.due or before is None or mark.listing is None or before.figures.get("fingerprint") != mark.flat:
        return decision
    new = f"read anew, with {in_subfolders(mark.listing.deep_files)}"
    say(f"source {decision.subject}: {new}", "warning", source=decision.subject)
    return replace(decision, reason=f"{decision.reason}: {new}")


@dataclass(frozen=True)
class Builds:
    """Decisions on the vocabulary and the model of each source."""

    vocabularies: list[Decision]
    models: list[Decision]


def plan_builds(
    spark: SparkSession,
    warehouse: Warehouse,
    pipeline: Pipeline,
    before: Past,
    night: date,
    unread: Collection[str] = (),
) -> Builds:
    """Which models the rule wants anew.

    Args:
        night: The day that ages are counted to.
        unread: Sources that are not read yet: what their corpus will be nobody knows.
    """
    store = ModelStore(warehouse.models)
    published = publications(spark, warehouse, str(warehouse.location("results")))
    facts, manifests = {}, {}
    for source in pipeline.sources:
        facts[source.name], manifests[source.name] = _facts(source, store, before, published, pipeline, unread)
    reasons = {name: model_reasons(found, pipeline.nightly, night) for name, found in facts.items()}
    learned = {name for name, why in reasons.items() if why and manifests[name] and name not in unread}
    same = _unchanged(spark, warehouse, pipeline, before, {name: manifests[name] for name in learned})
    made = Builds([], [])
    for name, found in facts.items():
        why = "; ".join(reasons[name])
        if why and name in same:
            why = f"{why}; but version {found.version} was built from this corpus and these settings"
            decision = Decision("models", name, False, why)
        elif why:
            decision = Decision("models", name, True, why)
        else:
            # A corpus that is yet to be read may have grown.
            decision = Decision("models", name, None if name in unread else False, no_reason(found, night))
        made.models.append(decision)
        if decision.due:
            made.vocabularies.append(
                Decision("vocabulary", name, True, "the corpus is read first")
                if name in unread
                else vocabulary_decision(name, before, vocabulary_settings(pipeline))
            )
    return made


def _facts(
    source: Source,
    store: ModelStore,
    before: Past,
    published: Sequence[Publication],
    pipeline: Pipeline,
    unread: Collection[str],
) -> tuple[ModelFacts, Manifest | None]:
    name = source.name
    versions, champion = store.versions(name), store.champion(name)
    newest = store.manifest(name, versions[-1]) if versions else None
    rows = sum(newest.training.get(key) or 0 for key in ("rows", "test_rows")) if newest else 0
    drift = drift_of(name, champion, published, pipeline.gate) if champion else None
    ingested = before.ingested.get(name)
    corpus = ingested.figures.get("accepted") if ingested and name not in unread else None
    facts = ModelFacts(name, versions[-1] if versions else None, champion, rows, before.built.get(name), corpus, drift)
    return facts, newest


def _unchanged(
    spark: SparkSession,
    warehouse: Warehouse,
    pipeline: Pipeline,
    before: Past,
    manifests: Mapping[str, Manifest | None],
) -> set[str]:
    """Those of the sources whose newest version was built from the corpus and the settings that there are now."""
    from textclf.text.build import corpus_of
    from textclf.training.data import corpus_digests

    if not manifests:
        return set()
    digests = corpus_digests(corpus_of(spark, warehouse, list(manifests)))
    build = builds_by(pipeline)
    architecture = pipeline.search.architecture if build == "train" else ""
    same = set()
    for name, manifest in manifests.items():
        built = before.built.get(name)
        settings = model_settings(pipeline, name, build, architecture)
        if manifest and built and manifest.corpus_digest == digests.get(name) and built.figures["settings"] == settings:
            same.add(name)
    return same


@dataclass(frozen=True)
class Days:
    """What to score.

    Attributes:
        runs: The newest run of each day, whether it published or was refused.
    """

    plan: Plan
    options: ScoreOptions
    marks: Mapping[date, Mark]
    decisions: list[Decision]
    runs: Mapping[date, str] = field(default_factory=dict)

    @property
    def due(self) -> dict[date, Mark | None]:
        """The days to score."""
        days = [date.fromisoformat(decision.subject) for decision in self.decisions if decision.due]
        return {day: self.marks.get(day) for day in days}


def plan_days(spark: SparkSession, warehouse: Warehouse, pipeline: Pipeline, asked: Sequence[date]) -> Days:
    """Which days are to be scored: those asked for, and earlier ones whose input has changed or came late.

    Raises:
        UsageError, InputError: As ``score_table``.
    """
    options = ScoreOptions()
    plan = plan_scoring(spark, warehouse, pipeline, options)
    first, last = min(asked), max(asked)
    late = [first - timedelta(days=count) for count in range(1, pipeline.nightly.late_days + 1)]
    if pipeline.score.date is None:
        late = []  # every row is of the night's day
    marks = mark_days(plan, pipeline, options, min([first, *late]), last)
    published = newest_of_days(publications(spark, warehouse, plan.output))
    refused = newest_of_days(publications(spark, warehouse, plan.output, "refused"))
    decisions = day_decisions(asked, late, marks, published, refused)
    return Days(plan, options, marks, decisions, _newest(published, refused))


def _newest(*kinds: Mapping[date | None, Publication]) -> dict[date, str]:
    found: dict[date, Publication] = {}
    for day, run in (pair for kind in kinds for pair in kind.items()):
        if day is not None and (day not in found or run.ended_at > found[day].ended_at):
            found[day] = run
    return {day: run.run_id for day, run in found.items()}
