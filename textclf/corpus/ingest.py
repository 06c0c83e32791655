"""Ingest raw files into ``corpus`` and ``corpus_rejects``; every record ends up in exactly one of the two."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import reduce
from typing import TypeVar

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from textclf.config import Ingest, Source
from textclf.corpus.counts import Counts as Counts
from textclf.corpus.counts import Tally, changed, count_records
from textclf.corpus.deliveries import DeliveryError, Refused, refused_deliveries
from textclf.corpus.first_look import Fingerprint, Look, fingerprint, look_at
from textclf.corpus.lines.line_blocks import BlockPlan
from textclf.corpus.lines.signatures import refuse
from textclf.corpus.parse import REFUSED_FILE, STAGED, column_parser, fragment_parser, line_parser, quoted_parser
from textclf.corpus.refused_records import keep_refused
from textclf.errors import InputError
from textclf.runs.workspace import Workspace, takes_workspace_or_tables
from textclf.spark.failures import READ_FAILURES, failed_reading, unreadable
from textclf.spark.job_names import carried, described
from textclf.storage import Location, Warehouse
from textclf.storage.append_only import check_replaceable
from textclf.storage.commit_retry import retried
from textclf.storage.conditions import of_sources
from textclf.storage.files.folder_names import check_labels
from textclf.storage.files.listing import Listing
from textclf.storage.run_points import reached
from textclf.storage.schemas import CORPUS, CORPUS_REJECTS
from textclf.storage.staging import staging
from textclf.storage.warehouse import absolute

_Result = TypeVar("_Result")
_AT_ONCE = 4  # sources read in parallel: the driver plans one while the executors read another


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
    good records, which go straight to ``corpus``; all others go through ``records.parser`` into staging. A refused
    delivery leaves its source's slices unchanged; all other deliveries are published.

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
        looks = _each(
            spark, lambda source: _looked(look_at(spark, source, known.get(source.name)), on_progress), sources, failed
        )
        _check_labels(workspace, looks, failed)
        odd = [look for look in looks.values() if not look.all_plain and look.source.name not in failed]
        staged: DataFrame | None = None
        tallies: dict[str, list[Tally]] = {name: [] for name in looks}
        if odd:
            place = stack.enter_context(staging(spark, warehouse, run_id, STAGED))
            staged = _staged(spark, place, {look.source.name: look for look in odd}, on_progress, failed)
            for row in staged.groupBy("source", "reason").agg(F.count("*"), F.sum("lines")).collect():
                tallies[row["source"]].append(Tally(*row[1:]))
            _check_files(staged, [look.source for look in odd], tallies, failed)
        had |= counted.result()
        counts = _counts(looks, tallies, had, failed)
        refused = refused_deliveries(sources, counts, rule, accept)
        if staged is not None:
            _keep_refused(warehouse, run_id, staged, refused)
        passed = [looks[name] for name in counts if name not in refused]
        if passed:
            _publish_passed(workspace, passed, staged, counts, failed)
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
        raise DeliveryError({name: Refused(error) for name, error in errors.items()}, {})
    return found


def _each(
    spark: SparkSession, work: Callable[[Source], _Result], sources: Sequence[Source], failed: Failed
) -> dict[str, _Result]:
    """Call ``work`` for the sources in parallel. Errors of sources that cannot be read go into ``failed``."""

    def attempt(source: Source) -> _Result:
        with _readable(source), described(spark, "ingest", source=source.name):
            return work(source)

    with ThreadPoolExecutor(min(_AT_ONCE, max(len(sources), 1))) as pool:
        futures = {source.name: pool.submit(attempt, source) for source in sources}
    results = {}
    for name, future in futures.items():
        try:
            results[name] = future.result()
        except InputError as error:
            failed[name] = error
    return results


@contextmanager
def _readable(*sources: Source, words: Callable[[Exception], str | None] = unreadable) -> Iterator[None]:
    """Turn a failed read by Spark into an error that names the sources.

    Args:
        *sources: Sources that are read inside the block.
        words: Function that extracts Spark's message, or None if the error is not about the sources' files.
    """
    try:
        yield
    except READ_FAILURES as error:
        received = words(error)
        if received is None:
            raise
        kinds = ", ".join(f"{source.format} at {absolute(source.path)}" for source in sources)
        raise InputError(
            f"Source {', '.join(source.name for source in sources)} cannot be read.",
            received=received,
            expected=f"readable files of format {kinds}",
            fix="check path and format in the pipeline file, that every executor can reach the path, and that "
            "nothing writes to the files",
        ) from error


def _published(workspace: Workspace, names: Sequence[str]) -> Before:
    """Count the records that the corpus has of each source."""
    spark, corpus, found = workspace.spark, workspace.warehouse.location(CORPUS.name), Before(dict.fromkeys(names))
    if not names or not corpus.exists(spark):
        return found
    try:
        counted = corpus.read(spark).where(of_sources(names).column).groupBy("source").count().collect()
    except READ_FAILURES:  # publishing repairs a damaged corpus
        return found
    return found | {row["source"]: row["count"] for row in counted}


def _check_labels(workspace: Workspace, looks: Mapping[str, Look], failed: Failed) -> None:
    """Refuse labels from folder names that the corpus holds in another form."""
    spark, corpus = workspace.spark, workspace.warehouse.location(CORPUS.name)
    for name, look in looks.items():
        if look.renamed and corpus.exists(spark):
            try:
                check_labels(look.renamed, corpus.read(spark).where(F.col("source") == name), name)
            except InputError as error:
                failed[name] = error


def _looked(look: Look, on_progress: Callable[[str], None]) -> Look:
    if look.all_plain:
        on_progress(look.source.name)
    return look


def _staged(
    spark: SparkSession, place: Location, odd: Mapping[str, Look], on_progress: Callable[[str], None], failed: Failed
) -> DataFrame:
    """Stage the records that need Python, each accepted or rejected, and return all staged records."""

    def stage(source: Source) -> None:
        _stage_odd(odd[source.name], place)
        on_progress(source.name)

    _each(spark, stage, [look.source for look in odd.values()], failed)
    # Not in parallel: each source reads the table that all of them write to, which Delta would refuse.
    for name, look in odd.items():
        if name not in failed and any(block.inside for block in look.plan.blocks):
            _stage_fragments(look.source, look.plan, place, spark)
    return place.read(spark).where("fragment IS NULL")


def _stage_odd(look: Look, place: Location) -> None:
    source, plan = look.source, look.plan
    if source.quoted:
        lines = _in_blocks(look).select("block", "value")
        place.append(lines.mapInArrow(quoted_parser(source, plan), STAGED.schema))
        return
    rest = _numbered(look).where("NOT good")
    if source.kind.columnar:
        parse = column_parser(source, plan, numbers=look.numbers)
        place.append(rest.select("block", "position", "value", "label").mapInArrow(parse, STAGED.schema))
    else:
        place.append(rest.select("block", "position", "value").mapInArrow(line_parser(source, plan), STAGED.schema))


def _in_blocks(look: Look) -> DataFrame:
    """Add the number of its block to each row. The join is a broadcast join, which keeps each task's rows in order."""
    known = [
        (block.path, block.start, block.id, block.file, block.first, block.begun, block.first_row)
        for block in look.plan.blocks
    ]
    schema = "path string, start long, block int, file string, first long, begun long, first_row long"
    blocks = look.rows.sparkSession.createDataFrame(known, schema)
    return look.rows.join(F.broadcast(blocks), ["path", "start"])


def _numbered(look: Look) -> DataFrame:
    """Add file and position to rows that are one record each, and drop headers."""
    place = F.col("row") - F.col("first_row")
    # Files that are cut differently than in the first look would get wrong numbers, so the query fails instead.
    outside = F.raise_error(F.lit(f"the files of source {look.source.name} changed while they were read"))
    position = F.when(place.between(0, F.col("begun") - 1), F.col("first") + place).otherwise(outside.cast("long"))
    return _in_blocks(look).withColumn("position", position).where("position >= 0")


def _plain(look: Look, read: Observation) -> DataFrame:
    """Select the records that Spark alone found good, with the columns of ``corpus``; ``read`` counts them."""
    rows = _numbered(look).where("good").withColumn("source", F.lit(look.source.name)).select(*CORPUS.columns)
    return rows.observe(read, F.count(F.lit(1)).alias("rows"))


def _stage_fragments(source: Source, plan: BlockPlan, place: Location, spark: SparkSession) -> None:
    """Join the fragments of records that cross from block to block."""
    ours = (F.col("source") == source.name) & F.col("fragment").isNotNull()
    fragments = place.read(spark).where(ours)
    ordered = F.array_sort(F.collect_list(F.struct("start", "fragment")))
    records = fragments.groupBy("file", "position").agg(ordered["fragment"].alias("fragments"))
    place.append(records.mapInArrow(fragment_parser(source, plan), STAGED.schema))


def _check_files(
    staged: DataFrame, sources: Sequence[Source], tallies: Mapping[str, Sequence[Tally]], failed: Failed
) -> None:
    """Refuse sources with files in which the workers found no lines of the source's format."""
    refused = [source for source in sources if any(each.reason == REFUSED_FILE for each in tallies[source.name])]
    if refused:
        found: dict[str, dict[str, str]] = {source.name: {} for source in refused}
        for row in staged.where(F.col("reason") == REFUSED_FILE).select("source", "file", "raw").limit(1000).collect():
            found[row["source"]][row["file"]] = row["raw"]
        for source in refused:
            failed.setdefault(source.name, refuse(source, found[source.name]))


def _counts(
    looks: Mapping[str, Look], tallies: Mapping[str, Sequence[Tally]], before: Before, failed: Failed
) -> dict[str, Counts]:
    """Compute the counts of each source that could be read."""
    counts = {}
    for name, look in looks.items():
        if name in failed:
            continue
        try:
            counts[name] = count_records(look, tallies[name], before[name])
        except InputError as error:
            failed[name] = error
    return counts


def _keep_refused(warehouse: Warehouse, run_id: str, staged: DataFrame, refused: Mapping[str, Refused]) -> None:
    """Keep the rejects of refused deliveries in ``corpus_refused``, where users can look at them."""
    names = [name for name, each in refused.items() if each.counts is not None and each.counts.rejected]
    if names:
        keep_refused(warehouse, staged.where(F.col("reason").isNotNull()), names, run_id)


def _publish_passed(
    workspace: Workspace,
    looks: Sequence[Look],
    staged: DataFrame | None,
    counts: Mapping[str, Counts],
    failed: Failed,
) -> None:
    """Publish the accepted deliveries.

    If one of the sources changed since the first look, none is published and all of them go into ``failed``.
    """
    names = [look.source.name for look in looks]
    if staged is not None and len(names) < len(counts) + len(failed):
        staged = staged.where(of_sources(names).column)
    try:
        publish(workspace, looks, staged, rejects=any(counts[name].rejected for name in names))
    except InputError as error:
        failed.update(dict.fromkeys(names, error))


def publish(workspace: Workspace, looks: Sequence[Look], staged: DataFrame | None, *, rejects: bool) -> None:
    """Replace the sources' slices of ``corpus``, then those of ``corpus_rejects``.

    Accepted records come first: writing them takes longest, and a run killed meanwhile leaves both tables unchanged.

    Args:
        workspace: Session and tables.
        looks: First looks at the sources whose slices are replaced.
        staged: Rows of ``STAGED``: the records that needed Python; None if none did.
        rejects: Whether any of them was rejected.

    Raises:
        InputError: The files changed since the first look. The slices of ``corpus`` are restored.
    """
    spark, warehouse = workspace.spark, workspace.warehouse
    names = [look.source.name for look in looks]
    observed = {look.source.name: Observation() for look in looks if look.plan.plain}
    parts = [_plain(look, observed[look.source.name]) for look in looks if look.plan.plain]
    if staged is not None:
        parts.append(staged.where("reason IS NULL").select(*CORPUS.columns))
    refused = warehouse.location(CORPUS_REJECTS.name)
    # A new table of rejects is created while the executors write.
    with _readable(*(look.source for look in looks), words=failed_reading), ThreadPoolExecutor(1) as pool:
        made = pool.submit(carried(spark, refused.ensure), spark, CORPUS_REJECTS)
        rows = reduce(DataFrame.unionAll, parts) if parts else spark.createDataFrame([], CORPUS.schema)
        commit = warehouse.replace_sources(rows, CORPUS, names)
    written, expected = sum(read.get["rows"] for read in observed.values()), sum(look.plan.plain for look in looks)
    if written != expected:
        # The written rows are counted only now: restore the previous slices.
        accepted = warehouse.location(CORPUS.name)
        version = accepted.version_of(spark, commit)
        # There is no version before a table's first one: nothing to restore.
        before = accepted.read_version(spark, max(version - 1, 0)).where(of_sources(names).column)
        warehouse.replace_sources(before if version else before.limit(0), CORPUS, names)
        raise changed(looks, written, expected)
    reached("committed", warehouse.location(CORPUS.name))
    if rejects or not (made.result() or _nothing_to_replace(refused.read(spark), names)):
        nothing = spark.createDataFrame([], CORPUS_REJECTS.schema)
        rows = nothing if staged is None else staged.where("reason IS NOT NULL")
        # The accepted records are published already: a conflict with another writer must not lose the rejects.
        retried(lambda: warehouse.replace_sources(rows, CORPUS_REJECTS, names))


def _nothing_to_replace(refused: DataFrame, names: Sequence[str]) -> bool:
    """Whether the rejects table can stay as it is: no rows of these sources, and the columns of this release."""
    return set(CORPUS_REJECTS.columns) <= set(refused.columns) and refused.where(of_sources(names).column).isEmpty()
