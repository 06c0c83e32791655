"""Collect the facts that ``rules`` decides by, from files, tables and models, without writing anything."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from textclf.artifact import Manifest, ModelStore
from textclf.common.logs import say
from textclf.config import Pipeline, Source
from textclf.corpus.first_look import Fingerprint
from textclf.corpus.ingest import fingerprints
from textclf.errors import InputError
from textclf.nightly.earlier_runs import Done, Past
from textclf.nightly.rules import (
    Decision,
    ModelFacts,
    day_decisions,
    drift_of,
    ingest_decisions,
    model_reasons,
    no_corpus,
    no_reason,
    vocabulary_decision,
)
from textclf.runs.history import Publication, newest_of_days, publications
from textclf.runs.workspace import Workspace
from textclf.scoring.days import Mark, mark_days
from textclf.scoring.plan import Plan, ScoreOptions, plan_scoring
from textclf.workflow.steps import in_subfolders, model_settings, vocabulary_settings


@dataclass(frozen=True)
class Reads:
    """What to ingest.

    Attributes:
        found: Current fingerprint of each source.
        decisions: Decision for each source.
        failed: Error of each source that cannot be found.
    """

    found: Mapping[str, Fingerprint]
    decisions: list[Decision]
    failed: Mapping[str, InputError] = field(default_factory=dict)


def plan_reads(workspace: Workspace, before: Past) -> Reads:
    """Decide for each source whether its files have changed and must be ingested."""
    failed: dict[str, InputError] = {}
    found = fingerprints(workspace.spark, workspace.pipeline.sources, failed)
    digests = {name: mark.digest for name, mark in found.items()}
    why = {name: error.problem for name, error in failed.items()}
    made = ingest_decisions(digests, before.ingested, before.refused, why)
    told = [_of_subfolders(each, found.get(each.subject), before.ingested.get(each.subject)) for each in made]
    return Reads(found, told, failed)


def _of_subfolders(decision: Decision, mark: Fingerprint | None, before: Done | None) -> Decision:
    """Add a note to the decision if only subfolders are new: earlier releases did not read them."""
    if not decision.due or before is None or mark is None or mark.listing is None:
        return decision
    if not mark.listing.deep_files or before.figures.get("fingerprint") != mark.flat:
        return decision
    new = f"read again, with {in_subfolders(mark.listing.deep_files)}"
    say(f"source {decision.subject}: {new}", "warning", source=decision.subject)
    return replace(decision, reason=f"{decision.reason}: {new}")


@dataclass(frozen=True)
class Builds:
    """Decisions about the vocabulary and the model of each source."""

    vocabularies: list[Decision]
    models: list[Decision]


def plan_builds(
    workspace: Workspace,
    before: Past,
    night: date,
    unread: Collection[str] = (),
) -> Builds:
    """Decide which models and vocabularies to build.

    Args:
        workspace: Session, pipeline file, tables and models.
        before: Earlier runs.
        night: Day that ages are counted to.
        unread: Sources that are still to be ingested, so that their corpus is not known yet.
    """
    spark, warehouse, pipeline = workspace.spark, workspace.warehouse, workspace.pipeline
    store = ModelStore(workspace.models)
    published = publications(spark, warehouse, str(warehouse.location("results")))
    facts, manifests = {}, {}
    for source in pipeline.sources:
        facts[source.name], manifests[source.name] = _facts(source, store, before, published, pipeline, unread)
    reasons = {name: model_reasons(found, pipeline.nightly, night) for name, found in facts.items()}
    learned = {name for name, why in reasons.items() if why and manifests[name] and name not in unread}
    same = _unchanged(workspace, before, {name: manifests[name] for name in learned})
    made = Builds([], [])
    for name, found in facts.items():
        why, nothing = "; ".join(reasons[name]), None if name in unread else no_corpus(found)
        if nothing:
            decision = Decision("models", name, False, nothing)
        elif why and name in same:
            why = f"{why}; but version {found.version} was built from this corpus and these settings"
            decision = Decision("models", name, False, why)
        elif why:
            decision = Decision("models", name, True, why)
        else:
            # A corpus that is still to be ingested may have grown.
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
    champion = store.champion(name)
    version, newest, damaged = _newest_version(store, name, champion)
    rows = sum(newest.training.get(key) or 0 for key in ("rows", "test_rows")) if newest else 0
    drift = drift_of(name, champion, published, pipeline.gate) if champion else None
    ingested, refused = before.ingested.get(name), before.refused.get(name)
    corpus = ingested.figures.get("accepted") if ingested and name not in unread else None
    facts = ModelFacts(
        name,
        version,
        champion,
        rows,
        before.built.get(name),
        corpus,
        drift,
        damaged,
        refused.run_id if refused else None,
    )
    # A damaged version is replaced even if another one was built from the same corpus and settings.
    return facts, None if damaged else newest


def _newest_version(
    store: ModelStore, name: str, champion: str | None
) -> tuple[str | None, Manifest | None, str | None]:
    """Return the newest version with a readable manifest, that manifest, and why the champion cannot be used.

    A damaged version is logged and does not end the night. A damaged champion is rebuilt.
    """
    read: dict[str, Manifest | None] = {}

    def readable(version: str) -> Manifest | None:
        if version not in read:
            try:
                read[version] = store.manifest(name, version)
            except InputError as error:
                say(f"model {name}@{version} is damaged: {error.problem}", "warning", source=name)
                read[version] = None
        return read[version]

    versions = store.versions(name)
    newest = next((version for version in reversed(versions) if readable(version)), None)
    damaged = None
    if champion is not None and (champion not in versions or readable(champion) is None):
        what = "damaged" if champion in versions else "missing"
        damaged = f"version {champion}, which is in use, is {what}"
    return newest, None if newest is None else readable(newest), damaged


def _unchanged(workspace: Workspace, before: Past, manifests: Mapping[str, Manifest | None]) -> set[str]:
    """Return the sources whose newest version was built from the current corpus and settings."""
    from textclf.corpus.corpus_rows import corpus_of
    from textclf.training.data import corpus_digests

    if not manifests:
        return set()
    digests = corpus_digests(corpus_of(workspace, list(manifests)))
    pipeline = workspace.pipeline
    build = pipeline.builds_by
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
    """Which days to score.

    Attributes:
        plan: Scoring plan for the input.
        options: Options of ``score_table``.
        marks: Digests of what decides the rows of each day.
        decisions: Decision for each day.
        runs: Newest run of each day, published or refused.
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


def plan_days(workspace: Workspace, asked: Sequence[date]) -> Days:
    """Decide which days to score: the requested ones, and earlier ones whose input changed or came late.

    Args:
        workspace: Session, pipeline file, tables and models.
        asked: Requested days.

    Raises:
        UsageError, InputError: As in ``score_table``.
    """
    spark, warehouse, pipeline = workspace.spark, workspace.warehouse, workspace.pipeline
    options = ScoreOptions()
    plan = plan_scoring(workspace, options)
    first, last = min(asked), max(asked)
    late = [first - timedelta(days=count) for count in range(1, pipeline.nightly.late_days + 1)]
    if pipeline.score.date is None:
        late = []  # all rows belong to the day of the night
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
