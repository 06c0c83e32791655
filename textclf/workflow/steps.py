"""The steps before scoring: each does the work of a job, or of a part of a chain, and fills in its record."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from textclf.common.digests import json_digest
from textclf.common.logs import say, say_summarized
from textclf.config import Ingest, Pipeline, Source
from textclf.config.identity import identity
from textclf.corpus.counts import Counts
from textclf.corpus.deliveries import DeliveryError, Refused, large_fall, why_refused
from textclf.corpus.first_look import Fingerprint
from textclf.corpus.ingest import Before, fingerprints, ingest_corpus
from textclf.corpus.vocabulary import build_vocabulary
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.spark.job_names import described, together
from textclf.spark.progress import spark_step
from textclf.storage.schemas import CORPUS, CORPUS_REFUSED, CORPUS_REJECTS, TOKENS, TRIALS, VOCABULARY

if TYPE_CHECKING:  # at run time, Keras and the search are imported where they are used
    from textclf.search.search import SearchReport
    from textclf.training.evaluation import Evaluation
    from textclf.training.side_by_side import Finish, Trainings
    from textclf.training.train import TrainedModel

Noted = Mapping[str, Any]
"""Entries of a record in addition to a source's own figures."""


def ingest(
    workspace: Workspace,
    record: RunRecord,
    sources: Sequence[Source],
    found: Mapping[str, Fingerprint] | None = None,
    on_progress: Callable[[str], None] = lambda source: None,  # noqa: ARG005 - by default progress is not reported
    *,
    accept: Collection[str] = (),
    before: Before | None = None,
) -> None:
    """Ingest sources, and record the counts and the fingerprint of each, including those of refused deliveries.

    Args:
        workspace: Session, pipeline file and tables.
        record: Run record that receives the counts.
        sources: Sources to ingest.
        found: Fingerprints by source, taken earlier; a file that changed since then looks new to the next run.
        on_progress: Callback that receives each source whose records have been read.
        accept: As in ``ingest_corpus``.
        before: As in ``ingest_corpus``.

    Raises:
        DeliveryError: Deliveries were refused; the others are published and recorded.
    """
    spark, warehouse, rule = workspace.spark, workspace.warehouse, workspace.pipeline.ingest
    record.input = ", ".join(source.path for source in sources)
    record.tables = {spec.name: str(warehouse.location(spec.name)) for spec in (CORPUS, CORPUS_REJECTS)}
    with described(spark, "ingest", source=_named(sources)), spark_step(spark, "ingest") as step:
        # Taken before anything is read: a file that changes in the meantime must look new the next time.
        marks = found if found is not None else fingerprints(spark, sources, failed={})
        listings = {name: mark.listing for name, mark in marks.items()}
        try:
            counts = ingest_corpus(
                workspace, record.run_id, sources, on_progress, listings, accept=accept, before=before
            )
        except DeliveryError as error:
            _note_published(record, sources, error.published, marks, rule)
            _note_refused(record, error.refused, marks)
            if any(refused.counts for refused in error.refused.values()):
                record.tables[CORPUS_REFUSED.name] = str(warehouse.location(CORPUS_REFUSED.name))
            raise
        step.update(sum(count.records for count in counts.values()))
    _note_published(record, sources, counts, marks, rule)


def _note_published(
    record: RunRecord,
    sources: Sequence[Source],
    counts: Mapping[str, Counts],
    marks: Mapping[str, Fingerprint],
    rule: Ingest,
) -> None:
    """Record what was published; the record's sums cover only that."""
    record.input_rows = sum(count.records for count in counts.values())
    record.rejected_rows = sum(count.rejected for count in counts.values())
    falls = {name: words for name, count in counts.items() if (words := large_fall(count, rule.warn_below))}
    record.details |= {
        "accepted_rows": sum(count.accepted for count in counts.values()),
        "sources": {name: _noted(count) | _mark(marks, name) for name, count in counts.items()},
        "published_anyway": [
            each.name for each in sources if each.name in counts and why_refused(counts[each.name], rule.limit(each))
        ],
        "fallen": list(falls),
    }
    for name, count in counts.items():
        if count.skipped:
            say(f"source {name}: {count.skipped}", "warning", source=name)
        if count.subfolder_files:
            say(f"source {name}: read with {in_subfolders(count.subfolder_files)}", source=name)
        if name in falls:
            say(f"source {name}: {falls[name]}", "warning", source=name)


def _note_refused(record: RunRecord, refused: Mapping[str, Refused], marks: Mapping[str, Fingerprint]) -> None:
    """Record the deliveries that were refused, each with the reason and, if it could be read, its counts."""
    record.details["refused"] = {
        name: {"problem": each.error.problem} | (_noted(each.counts) if each.counts else {}) | _mark(marks, name)
        for name, each in refused.items()
    }


def _mark(marks: Mapping[str, Fingerprint], name: str) -> dict[str, str]:
    return {"fingerprint": marks[name].digest} if name in marks else {}


def _noted(count: Counts) -> dict[str, Any]:
    """Return a source's counts; without those of skipped files and subfolders if there are none."""
    absent = {name for name in ("skipped", "subfolder_files", "before") if not getattr(count, name)}
    return {name: value for name, value in asdict(count).items() if name not in absent}


def in_subfolders(files: int) -> str:
    """Describe the files that ``recursive = false`` would leave out."""
    return f"{files} file{'s' * (files > 1)} in subfolders; recursive = false leaves them out"


def vocabulary(
    workspace: Workspace,
    record: RunRecord,
    sources: Sequence[Source],
    on_progress: Callable[[str], None] | None = None,
) -> None:
    """Build vocabularies and record each source's figures; ``on_progress`` gets each source that is counted."""
    warehouse = workspace.warehouse
    record.input = str(warehouse.location(CORPUS.name))
    with described(workspace.spark, "vocabulary", source=_named(sources)), spark_step(workspace.spark, "vocabulary"):
        counts = build_vocabulary(workspace, sources, on_progress, run_id=record.run_id)
    record.input_rows = sum(count.rows for count in counts.values())
    noted = {"settings": vocabulary_settings(workspace.pipeline)}
    record.details = {"sources": {name: asdict(count) | noted for name, count in counts.items()}}
    record.tables = {spec.name: str(warehouse.location(spec.name)) for spec in (TOKENS, VOCABULARY)}


def trainings(
    workspace: Workspace,
    sources: Sequence[Source],
    *,
    architecture: str | None = None,
    overrides: Mapping[str, str] | None = None,
    promote: bool = False,
) -> "Trainings":
    """Train models of several sources, some of them side by side; give each source to ``train`` as it comes."""
    from textclf.training.side_by_side import trainings as begun

    name = architecture or workspace.pipeline.search.architecture
    with described(workspace.spark, "train"):
        yield from begun(workspace, sources, name, overrides or {}, promote=promote)


def train(
    workspace: Workspace,
    record: RunRecord,
    source: Source,
    finish: "Finish",
    *,
    architecture: str | None = None,
    overrides: Mapping[str, str] | None = None,
    noted: Noted | None = None,
) -> "TrainedModel":
    """Finish the training of a source's model, record its version, digest and measures, and return it.

    Args:
        workspace: Session, pipeline file, tables and models.
        record: Run record that receives the model.
        source: The source.
        finish: What ``trainings`` gave with the source.
        architecture, overrides: As in ``trainings``.
        noted: Entries to record in addition to the model's own.
    """
    pipeline = workspace.pipeline
    name, given = architecture or pipeline.search.architecture, overrides or {}
    with described(workspace.spark, "train", source=source.name), spark_step(workspace.spark, f"train {source.name}"):
        trained = finish()
    manifest, measured = trained.artifact.manifest, trained.evaluation
    coverage = manifest.training.get("embedding_coverage")
    record.models[trained.artifact.reference] = trained.artifact.digest
    record.details[source.name] = {
        "version": manifest.version,
        "digest": trained.artifact.digest,
        "champion": trained.champion,
        "architecture": manifest.architecture,
        "parameters": trained.parameters,
        "accuracy": measured.accuracy,
        "loss": measured.log_loss,
        "macro_f1": measured.macro.f1,
        "roc_auc": measured.roc_auc,
        **_interval(measured),
        "settings": model_settings(pipeline, source.name, "train", name, given),
        **({} if coverage is None else {"embedding_coverage": coverage}),
        **{key: value for key, value in manifest.training.items() if key == "unseen_labels"},
        **(noted or {}),
    }
    vectors = "" if coverage is None else f", pretrained vectors for {coverage:.1%} of the vocabulary"
    say_summarized(
        f"{trained.artifact.reference}: test accuracy {measured.accuracy:.4f}{vectors}",
        source=source.name,
    )
    return trained


def search(
    workspace: Workspace,
    record: RunRecord,
    sources: Sequence[Source],
    *,
    fresh: bool = False,
    noted: Noted | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    held: ExitStack | None = None,
) -> "SearchReport":
    """Search the best model of each source, record the choices, and log the search to MLflow if requested.

    Args:
        workspace: Session, pipeline file, tables and models.
        record: Run record that receives the choices.
        sources: Sources to search for.
        fresh: Whether to run every trial again.
        noted: Entries to record in addition to a source's own.
        on_progress: Callback that receives, after each trial, how many trials have ended and how many there are so far.
        held: Keeps the locks of the searches open for the caller, so that the record is written under them.

    Returns:
        Report, which includes sources without a winner; see ``textclf.search.summary.raise_for``.
    """
    from textclf.search.search import search_models
    from textclf.search.source_lock import sources_locked
    from textclf.search.summary import details, table

    pipeline = workspace.pipeline
    record.tables = {TRIALS.name: str(workspace.warehouse.location(TRIALS.name))}
    with described(workspace.spark, "search", source=_named(sources)), ExitStack() as stack:
        taken = sources_locked(workspace, [each.name for each in sources], record)
        locks = (held or stack).enter_context(taken)
        report = search_models(workspace, sources, record.run_id, fresh=fresh, on_progress=on_progress, locks=locks)
    record.details = details(report)
    for outcome in report.outcomes.values():
        if outcome.saved is not None and outcome.saved.error is None:
            record.models[f"{outcome.source}@{outcome.saved.version}"] = outcome.saved.digest
            settings = {"settings": model_settings(pipeline, outcome.source, "search")}
            record.details["sources"][outcome.source] |= {**settings, **(noted or {})}
    say_summarized(table(report))
    if pipeline.mlflow is not None:
        from textclf.integrations.mlflow_tracking import log_search

        log_search(pipeline.mlflow, workspace.models, report)
    return report


def _interval(measured: "Evaluation") -> dict[str, list[float]]:
    found = measured.intervals.accuracy
    return {} if found is None else {"accuracy_interval": [found.low, found.high]}


def vocabulary_settings(pipeline: Pipeline) -> str:
    """Return a digest of the settings that, with the corpus, decide a vocabulary."""
    return json_digest(identity(pipeline.split), sort_keys=True, default=str)


def model_settings(
    pipeline: Pipeline, source: str, build: str, architecture: str = "", overrides: Mapping[str, str] | None = None
) -> str:
    """Return a digest of the settings that, with the corpus, decide a model of a source.

    Args:
        pipeline: Pipeline file.
        source: Name of the source.
        build: ``search`` or ``train``.
        architecture, overrides: Arguments of ``train``.
    """
    sections = pipeline.text, pipeline.split, pipeline.train, pipeline.search.plan(source)
    parts = [build, architecture, sorted((overrides or {}).items()), *map(identity, sections)]
    return json_digest(parts, sort_keys=True, default=str)


def _named(sources: Sequence[Source]) -> str:
    return together(source.name for source in sources)
