"""Collect the facts that the rules decide by, from files, tables and models, without writing anything."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from textclf.artifact import Manifest, ModelStore
from textclf.chain.earlier_runs import Done, Past
from textclf.chain.model_rules import BuildRule, ModelFacts, changes, drift_of, needs_corpus
from textclf.chain.rules import Decision, day_decisions, ingest_decisions, input_decision, vocabulary_decision
from textclf.common.logs import say
from textclf.config import Pipeline, Source
from textclf.corpus.first_look import Fingerprint
from textclf.corpus.ingest import fingerprints
from textclf.errors import InputError
from textclf.runs.history import Publication, newest_of_days, publications
from textclf.runs.workspace import Workspace
from textclf.scoring.marks import Mark, mark_days, whole_fingerprint
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

    @property
    def due(self) -> set[str]:
        """The sources that are to be ingested."""
        return {decision.subject for decision in self.decisions if decision.due}


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


def plan_builds(workspace: Workspace, before: Past, rule: BuildRule, unread: Collection[str] = ()) -> Builds:
    """Decide which models and vocabularies to build.

    Args:
        workspace: Session, pipeline file, tables and models.
        before: Earlier runs.
        rule: When models are built.
        unread: Sources that are still to be ingested, so that their corpus is not known yet.
    """
    spark, warehouse, pipeline = workspace.spark, workspace.warehouse, workspace.pipeline
    store = ModelStore(workspace.models)
    published = publications(spark, warehouse, str(warehouse.location("results"))) if rule.watches_drift else []
    facts, manifests = {}, {}
    for source in pipeline.sources:
        facts[source.name], manifests[source.name] = _facts(source, store, before, published, pipeline, unread)
    compared = {name: manifests[name] for name, found in facts.items() if rule.compares(found)}
    changed = _changes(workspace, before, {name: each for name, each in compared.items() if each}, unread)
    made = Builds([], [])
    for name, found in facts.items():
        decision = rule.decide(found, changed.get(name))
        made.models.append(decision)
        made.vocabularies.append(_vocabulary(decision, before, vocabulary_settings(pipeline), unread))
    return made


def _vocabulary(model: Decision, before: Past, settings: str, unread: Collection[str]) -> Decision:
    """Decide whether to build the vocabulary of a source: only before a model of it is built."""
    name = model.subject
    if not model.due:
        reason = "its model is not due" if model.due is False else "its model may not be due"
        return Decision("vocabulary", name, model.due, reason)
    if name in unread:
        return Decision("vocabulary", name, True, "the corpus is read first")
    return vocabulary_decision(name, before, settings)


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
        name in unread,
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


def _changes(
    workspace: Workspace, before: Past, manifests: Mapping[str, Manifest], unread: Collection[str]
) -> dict[str, list[str]]:
    """Return for each source what has changed since its newest version was built; see ``model_rules.changes``.

    The corpus is read only where the records do not tell that it is the same, and never for an unread source.
    """
    pipeline = workspace.pipeline
    build = pipeline.builds_by
    architecture = pipeline.search.architecture if build == "train" else ""
    read = [
        name
        for name, manifest in manifests.items()
        if name not in unread and needs_corpus(manifest.version, before.built.get(name), before.ingested.get(name))
    ]
    digests = _corpus_digests(workspace, read)
    return {
        name: changes(
            manifest.version,
            before.built.get(name),
            model_settings(pipeline, name, build, architecture),
            corpus=name in read and manifest.corpus_digest != digests.get(name),
        )
        for name, manifest in manifests.items()
    }


def _corpus_digests(workspace: Workspace, names: Sequence[str]) -> Mapping[str, str]:
    from textclf.corpus.corpus_rows import corpus_of
    from textclf.training.data import corpus_digests

    return corpus_digests(corpus_of(workspace, names)) if names else {}


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


@dataclass(frozen=True)
class WholeInput:
    """Whether to score the whole input.

    Attributes:
        plan: Scoring plan for the input.
        options: Options of ``score_table``.
        fingerprint: Digest of what decides the rows; None if the input's content is not known.
        decision: The decision.
    """

    plan: Plan
    options: ScoreOptions
    fingerprint: str | None
    decision: Decision


def plan_input(workspace: Workspace) -> WholeInput:
    """Decide whether to score the whole input.

    Args:
        workspace: Session, pipeline file, tables and models.

    Raises:
        UsageError, InputError: As in ``score_table``.
    """
    spark, warehouse = workspace.spark, workspace.warehouse
    options = ScoreOptions()
    plan = plan_scoring(workspace, options)
    fingerprint = whole_fingerprint(spark, plan, workspace.pipeline, options)
    published, refused = (publications(spark, warehouse, plan.output, kind) for kind in ("succeeded", "refused"))
    return WholeInput(plan, options, fingerprint, input_decision(fingerprint, published, refused))


def newest_scored(workspace: Workspace) -> str | None:
    """Return the newest run that published to the results or was refused there; None if there is none."""
    spark, warehouse = workspace.spark, workspace.warehouse
    place = str(warehouse.location("results"))
    found = [each for kind in ("succeeded", "refused") for each in publications(spark, warehouse, place, kind)[:1]]
    return max(found, key=lambda each: each.ended_at).run_id if found else None
