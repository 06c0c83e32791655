"""Ingest raw files into ``corpus`` and ``corpus_rejects``; every record ends up in exactly one of the two."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from textclf.config import Ingest, Source
from textclf.corpus.counts import Counts as Counts
from textclf.corpus.counts import count_records
from textclf.corpus.deliveries import DeliveryError, Refused, refused_deliveries
from textclf.corpus.first_look import Fingerprint, Look, failure_noted, fingerprint, look_together, open_source
from textclf.corpus.lines.signatures import refuse
from textclf.corpus.odd_records import KINDS, ODD_TABLES, REJECTED, OddRecords, read_odd
from textclf.corpus.parse import STAGED
from textclf.corpus.publication import publish, readable, unreadable_sources
from textclf.corpus.refused_records import keep_refused
from textclf.errors import InputError
from textclf.runs.workspace import Workspace, takes_workspace_or_tables
from textclf.spark import cancellation
from textclf.spark.failures import READ_FAILURES, unreadable
from textclf.spark.job_names import carried, described, together
from textclf.storage import Warehouse
from textclf.storage.append_only import check_replaceable
from textclf.storage.conditions import of_sources
from textclf.storage.files.folder_names import check_labels
from textclf.storage.files.listing import Listing
from textclf.storage.publish import Target
from textclf.storage.queries.small_tables import stored_parts
from textclf.storage.schemas import CORPUS, CORPUS_REJECTS
from textclf.storage.staging import staging_folder

_Result = TypeVar("_Result")
_AT_ONCE = 4  # sources read in parallel: the driver plans one while the executors read another
_IN_ONE_JOB = 32  # sources that share a Spark job: the plan of a query grows with each

Failed = dict[str, InputError]
"""Errors of the sources that cannot be read, by source name."""
Before = dict[str, int | None]
"""Number of records that the corpus had before the run, by source name; None if it had none."""


@takes_workspace_or_tables
def ingest_corpus(
    workspace: Workspace,
    run_id: str,
    sources: Sequence[Source],
    on_progress: Callable[[str], None] = lambda source: None,  # noqa: ARG005 - does nothing
    listings: Mapping[str, Listing | None] | None = None,
    *,
    rule: Ingest | None = None,
    accept: Collection[str] = (),
    before: Before | None = None,
) -> dict[str, Counts]:
    """Replace the sources' slices of ``corpus`` and ``corpus_rejects`` by what their files hold now.

    Every record is read and counted before the first one becomes visible. Spark's expressions alone recognise most
    good records, which Spark writes; workers parse all others and write them. The files are in the folders of the
    tables, where a commit names them. A refused delivery leaves its source's slices unchanged; all other deliveries are
    published.

    Args:
        workspace: Session, pipeline file (``[ingest]``) and tables.
        run_id: Identifier of the run. It names the run's staging folder and marks its rows in ``corpus_refused``.
        sources: Sources to ingest, from the pipeline file or not.
        on_progress: Callback that gets the name of each source whose records have been read, before any of them is
            visible and from any thread; by default it does nothing.
        listings: Files of sources that have been listed already, by source name.
        rule: Limits beyond which a delivery is refused; by default ``[ingest]`` of the pipeline file.
        accept: Names of sources whose delivery is published even if it would be refused.
        before: Number of records that the corpus had before an earlier attempt of this run, by source name. It is
            updated with what this attempt finds.

    Returns:
        Counts of the records by source name: read, accepted, and rejected by reason.

    Raises:
        DeliveryError: A delivery is refused because too many of its records are rejected, it cannot be read, or it
            changed while it was read. The others are published.

    Example:
        >>> from textclf import ingest_corpus
        >>> counts = ingest_corpus(workspace, "first-run", workspace.pipeline.sources)["reviews"]
        >>> counts.records, counts.accepted, counts.reasons
        (21, 20, {'missing_label': 1})
    """
    spark, warehouse, rule = workspace.spark, workspace.warehouse, rule or workspace.pipeline.ingest
    check_replaceable(spark, warehouse.location(CORPUS.name), warehouse.location(CORPUS_REJECTS.name))
    known, failed, had = listings or {}, Failed(), {} if before is None else before
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        new = [source.name for source in sources if source.name not in had]
        counted = pool.submit(carried(spark, _published), workspace, new)
        looks = _looked(spark, sources, known, failed, on_progress)
        _check_labels(workspace, looks, failed)
        odd = stack.enter_context(_odd(workspace, run_id, looks, failed, on_progress))
        had |= counted.result()
        counts = _counts(looks, odd, had, failed)
        refused = refused_deliveries(sources, counts, rule, accept)
        _keep_refused(warehouse, run_id, odd, refused)
        passed = [looks[name] for name in counts if name not in refused]
        odd.discard([name for name in looks if name not in counts or name in refused])
        if passed:
            try:
                publish(workspace, passed, odd)
            except InputError as error:  # a source changed since the first look: none is published
                failed.update(dict.fromkeys((look.source.name for look in passed), error))
    refused |= {name: Refused(error) for name, error in failed.items()}
    published = {name: count for name, count in counts.items() if name not in refused}
    if refused:
        raise DeliveryError(refused, published)
    return published


def fingerprints(
    spark: SparkSession, sources: Sequence[Source], failed: Failed | None = None
) -> dict[str, Fingerprint]:
    """Compute the fingerprint of each source, which changes when the source changes.

    Run records of earlier releases hold the same digests if neither files nor section have changed; see
    ``config.identity``.

    Args:
        spark: An open session.
        sources: Sources of the pipeline file, or others.
        failed: Dictionary that receives the errors of sources that cannot be found, by source name.

    Returns:
        Fingerprints by source name.

    Raises:
        InputError: A source cannot be found, and ``failed`` is not given.
    """
    errors = Failed() if failed is None else failed
    found = _each(spark, lambda source: fingerprint(spark, source), sources, errors)
    if failed is None and errors:
        raise DeliveryError.of_unread(errors)
    return found


def _each(
    spark: SparkSession, work: Callable[[Source], _Result], sources: Sequence[Source], failed: Failed
) -> dict[str, _Result]:
    """Call ``work`` for the sources in parallel. Errors of sources that cannot be read go into ``failed``."""

    def attempt(source: Source) -> _Result:
        with readable(source, words=unreadable), described(spark, "ingest", source=source.name):
            return work(source)

    with ThreadPoolExecutor(min(_AT_ONCE, max(len(sources), 1))) as pool:
        futures = {source.name: pool.submit(attempt, source) for source in sources}
    results = {}
    for name, future in futures.items():
        with failure_noted(name, failed):
            results[name] = future.result()
    return results


def _together(
    spark: SparkSession, sources: Sequence[Source], work: Callable[[Sequence[Source]], None], failed: Failed
) -> None:
    """Call ``work`` for many sources at once, each time in Spark jobs that they share.

    If files of one cannot be read, which fails the job of all of them, ``work`` is called for each source alone.
    """
    for begin in range(0, len(sources), _IN_ONE_JOB):
        some = sources[begin : begin + _IN_ONE_JOB]
        try:
            with described(spark, "ingest", source=together(source.name for source in some)):
                work(some)
        except READ_FAILURES as error:
            cancellation.check()
            received = unreadable(error)
            if received is None:
                raise
            if len(some) > 1:
                _each(spark, lambda source: work([source]), some, failed)
            else:
                failed[some[0].name] = unreadable_sources(some, received)


def _looked(
    spark: SparkSession,
    sources: Sequence[Source],
    known: Mapping[str, Listing | None],
    failed: Failed,
    on_progress: Callable[[str], None],
) -> dict[str, Look]:
    """Take the first look at each source."""
    opened = _each(spark, lambda source: open_source(spark, source, known.get(source.name)), sources, failed)
    looks: dict[str, Look] = {}

    def look(some: Sequence[Source]) -> None:
        looks.update(look_together([opened[source.name] for source in some], failed))

    _together(spark, [each.source for each in opened.values()], look, failed)
    for name, found in looks.items():
        if found.all_plain:
            on_progress(name)
    return {name: looks[name] for name in opened if name in looks}


@contextmanager
def _odd(
    workspace: Workspace,
    run_id: str,
    looks: Mapping[str, Look],
    failed: Failed,
    on_progress: Callable[[str], None],
) -> Iterator[OddRecords]:
    """Read the records that need Python, each accepted or rejected, into files; on exit delete those left over."""
    spark, warehouse, odd = workspace.spark, workspace.warehouse, OddRecords(workspace.spark)
    sources = [look.source for name, look in looks.items() if not look.all_plain and name not in failed]
    if not sources:
        yield odd
        return
    with staging_folder(spark, warehouse, run_id, STAGED.name) as folder:
        tables = {kind: Target(warehouse.location(spec.name), spec) for kind, spec in ODD_TABLES.items()}
        folders = {kind: f"{folder}/{kind}" for kind in KINDS}
        folders |= {kind: target.folder(spark, folders[kind]) for kind, target in tables.items()}

        def read(some: Sequence[Source]) -> None:
            odd.files += read_odd(spark, [looks[source.name] for source in some], folders)
            for source in some:
                on_progress(source.name)

        try:
            _together(spark, sources, read, failed)
            for source in sources:
                if source.name not in failed and (why := odd.refused(source.name)):
                    failed[source.name] = refuse(source, why)
            yield odd
        finally:
            odd.discard()


def _published(workspace: Workspace, names: Sequence[str]) -> Before:
    """Count the records that the corpus has of each source, from Delta's statistics where it has them."""
    spark, corpus, found = workspace.spark, workspace.warehouse.location(CORPUS.name), Before(dict.fromkeys(names))
    snapshot = corpus.snapshot(spark) if names else None
    if snapshot is None:
        return found
    try:
        parts = stored_parts(spark, snapshot, of_sources(names))
        if parts is None or any(part.rows is None for part in parts):
            counted = corpus.read(spark).where(of_sources(names).column).groupBy("source").count().collect()
            return found | {row["source"]: row["count"] for row in counted}
    except READ_FAILURES:  # publishing repairs a damaged corpus
        return found
    rows: Counter[str] = Counter()
    for part in parts:
        rows[part.values["source"] or ""] += part.rows or 0
    return found | {name: count for name, count in rows.items() if count}


def _check_labels(workspace: Workspace, looks: Mapping[str, Look], failed: Failed) -> None:
    """Refuse labels from folder names that the corpus holds in another form."""
    spark, corpus = workspace.spark, workspace.warehouse.location(CORPUS.name)
    for name, look in looks.items():
        if look.renamed and corpus.exists(spark):
            with failure_noted(name, failed):
                check_labels(look.renamed, corpus.read(spark).where(F.col("source") == name), name)


def _counts(looks: Mapping[str, Look], odd: OddRecords, before: Before, failed: Failed) -> dict[str, Counts]:
    """Compute the counts of each source that could be read."""
    counts = {}
    for name, look in looks.items():
        if name not in failed:
            with failure_noted(name, failed):
                counts[name] = count_records(look, odd.tallies(name), before[name])
    return counts


def _keep_refused(warehouse: Warehouse, run_id: str, odd: OddRecords, refused: Mapping[str, Refused]) -> None:
    """Keep the rejects of refused deliveries in ``corpus_refused``, where users can look at them."""
    names = [name for name, each in refused.items() if each.counts is not None and each.counts.rejected]
    if names:
        keep_refused(warehouse, odd.rows(REJECTED, names, CORPUS_REJECTS), names, run_id)
