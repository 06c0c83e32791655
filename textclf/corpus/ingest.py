"""Raw files into ``corpus`` and ``corpus_rejects``: every record in exactly one of the two."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import NamedTuple, TypeVar

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from textclf.config import Source
from textclf.corpus.blocks import COLUMNAR, BlockPlan
from textclf.corpus.first_look import Fingerprint, Look, fingerprint, look_at
from textclf.corpus.parse import REFUSED_FILE, STAGED, column_parser, fragment_parser, line_parser, quoted_parser
from textclf.corpus.signatures import refuse
from textclf.described import carried, described
from textclf.errors import InputError
from textclf.tables import Location, Warehouse
from textclf.tables.append_only import check_replaceable
from textclf.tables.conditions import of_sources
from textclf.tables.failures import READ_FAILURES, failed_reading, unreadable
from textclf.tables.file_listing import Listing, Skipped
from textclf.tables.folder_names import check_labels
from textclf.tables.schemas import CORPUS, CORPUS_REJECTS
from textclf.tables.staging import staging
from textclf.tables.warehouse import absolute

_Result = TypeVar("_Result")
_AT_ONCE = 4  # sources read side by side: hides the driver's planning behind the executors' reading


@dataclass(frozen=True)
class Counts:
    """Records and, of line formats, lines of a source.

    ``records = accepted + rejected``; ``lines`` are those of headers, of accepted records and of rejects.
    ``subfolder_files`` are those of the files that ``recursive = false`` would leave out.
    """

    records: int
    accepted: int
    rejected: int
    reasons: dict[str, int]
    lines: int | None = None
    header_lines: int | None = None
    reject_lines: int | None = None
    skipped: Skipped = field(default_factory=Skipped)
    subfolder_files: int = 0


class Tally(NamedTuple):
    """How many staged records of a source have a reason, or None, and how many lines those hold."""

    reason: str | None
    records: int
    lines: int | None


def ingest_corpus(
    spark: SparkSession,
    warehouse: Warehouse,
    run_id: str,
    sources: Sequence[Source],
    told: Callable[[str], None] = lambda source: None,  # noqa: ARG005 - nobody listens
    listings: Mapping[str, Listing | None] | None = None,
) -> dict[str, Counts]:
    """Replace the sources' slices of ``corpus`` and ``corpus_rejects`` by what their files hold now.

    All records are looked at and counted before the first of them becomes visible. Plainly good ones are counted
    by Spark alone and go straight to ``corpus``; all others go through ``records.parser`` into staging.

    Args:
        told: Is called with each source whose records have been looked at, before any is visible; from any thread.
        listings: The files of sources that have been listed already, by name.

    Returns:
        Counts by source name.

    Raises:
        InputError: A source cannot be read, holds no record, or changed while it was read. No table changed.
    """
    check_replaceable(spark, warehouse.location(CORPUS.name), warehouse.location(CORPUS_REJECTS.name))
    known = listings or {}
    looks = _each(spark, lambda source: _looked(look_at(spark, source, known.get(source.name)), told), sources)
    _check_labels(spark, warehouse, looks)
    odd = {look.source.name: look for look in looks if not look.all_plain}
    names = [source.name for source in sources]
    with ExitStack() as stack:
        staged: DataFrame | None = None
        tallies: dict[str, list[Tally]] = {name: [] for name in names}
        if odd:
            place = stack.enter_context(staging(spark, warehouse, run_id, STAGED))
            _each(spark, lambda source: _stage(odd[source.name], place, told), [look.source for look in odd.values()])
            # Not side by side: each reads the table that all write to, which Delta would refuse.
            for look in odd.values():
                if any(block.inside for block in look.plan.blocks):
                    _stage_fragments(look.source, look.plan, place, spark)
            staged = place.read(spark).where("fragment IS NULL")
            for row in staged.groupBy("source", "reason").agg(F.count("*"), F.sum("lines")).collect():
                tallies[row["source"]].append(Tally(*row[1:]))
            _check_files(staged, [look.source for look in looks], tallies)
        counts = {look.source.name: _counted(look, tallies[look.source.name]) for look in looks}
        publish(spark, warehouse, looks, staged, rejects=any(count.rejected for count in counts.values()))
    return counts


def fingerprints(spark: SparkSession, sources: Sequence[Source]) -> dict[str, Fingerprint]:
    """By name, what tells that a source has changed.

    Records of earlier releases hold the same digests, where neither files nor section have; see ``config.identity``.

    Raises:
        InputError: A source cannot be found.
    """
    found = _each(spark, lambda source: fingerprint(spark, source), sources)
    return dict(zip((source.name for source in sources), found, strict=True))


def _each(spark: SparkSession, work: Callable[[Source], _Result], sources: Sequence[Source]) -> list[_Result]:
    """The work's result for each source; one error for all sources that cannot be read."""

    def attempt(source: Source) -> _Result:
        with _readable(source), described(spark, "ingest", source=source.name):
            return work(source)

    with ThreadPoolExecutor(min(_AT_ONCE, len(sources))) as pool:
        futures = [pool.submit(attempt, source) for source in sources]
    errors = [future.exception() for future in futures]
    unusable = [error for error in errors if isinstance(error, InputError)]
    for error in errors:
        if error is not None and not isinstance(error, InputError):
            raise error
    if len(unusable) == 1:
        raise unusable[0]
    if unusable:
        raise InputError("\n".join(map(str, unusable)))
    return [future.result() for future in futures]


@contextmanager
def _readable(*sources: Source, told: Callable[[Exception], str | None] = unreadable) -> Iterator[None]:
    """Say of which sources the files are that Spark could not read; ``told`` gives its words, if it is about them."""
    try:
        yield
    except READ_FAILURES as error:
        received = told(error)
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


def _check_labels(spark: SparkSession, warehouse: Warehouse, looks: Sequence[Look]) -> None:
    """Refuse labels from folders' names that the corpus has in another form."""
    corpus = warehouse.location(CORPUS.name)
    for look in looks:
        if look.renamed and corpus.exists(spark):
            name = look.source.name
            check_labels(look.renamed, corpus.read(spark).where(F.col("source") == name), name)


def _looked(look: Look, told: Callable[[str], None]) -> Look:
    if look.all_plain:
        told(look.source.name)
    return look


def _stage(look: Look, place: Location, told: Callable[[str], None]) -> None:
    """Put the records of a source that are not plainly good into staging, each accepted or refused."""
    _stage_odd(look, place)
    told(look.source.name)


def _stage_odd(look: Look, place: Location) -> None:
    source, plan = look.source, look.plan
    if source.quoted:
        lines = _in_blocks(look).select("block", "value")
        place.append(lines.mapInArrow(quoted_parser(source, plan), STAGED.schema))
        return
    rest = _numbered(look).where("NOT good")
    if source.format in COLUMNAR:
        parse = column_parser(source, plan, numbers=look.numbers)
        place.append(rest.select("block", "position", "value", "label").mapInArrow(parse, STAGED.schema))
    else:
        place.append(rest.select("block", "position", "value").mapInArrow(line_parser(source, plan), STAGED.schema))


def _in_blocks(look: Look) -> DataFrame:
    """The rows with the number of their block; a broadcast join keeps each task's rows in order."""
    known = [
        (block.path, block.start, block.id, block.file, block.first, block.begun, block.first_row)
        for block in look.plan.blocks
    ]
    schema = "path string, start long, block int, file string, first long, begun long, first_row long"
    blocks = look.rows.sparkSession.createDataFrame(known, schema)
    return look.rows.join(F.broadcast(blocks), ["path", "start"])


def _numbered(look: Look) -> DataFrame:
    """The rows with file and position, where each row is a record; headers left out."""
    place = F.col("row") - F.col("first_row")
    # Files that are cut otherwise than a moment before would get wrong numbers: better none at all.
    outside = F.raise_error(F.lit(f"the files of source {look.source.name} changed while they were read"))
    position = F.when(place.between(0, F.col("begun") - 1), F.col("first") + place).otherwise(outside.cast("long"))
    return _in_blocks(look).withColumn("position", position).where("position >= 0")


def _plain(look: Look, read: Observation) -> DataFrame:
    """The plainly good records of a source, with the columns of ``corpus``."""
    rows = _numbered(look).where("good").withColumn("source", F.lit(look.source.name)).select(*CORPUS.columns)
    return rows.observe(read, F.count(F.lit(1)).alias("rows"))


def _stage_fragments(source: Source, plan: BlockPlan, place: Location, spark: SparkSession) -> None:
    """Put the records together that cross from block to block."""
    ours = (F.col("source") == source.name) & F.col("fragment").isNotNull()
    fragments = place.read(spark).where(ours)
    ordered = F.array_sort(F.collect_list(F.struct("start", "fragment")))
    records = fragments.groupBy("file", "position").agg(ordered["fragment"].alias("fragments"))
    place.append(records.mapInArrow(fragment_parser(source, plan), STAGED.schema))


def _check_files(staged: DataFrame, sources: Sequence[Source], tallies: dict[str, list[Tally]]) -> None:
    """Refuse sources with files that hold no lines of their format, as the workers saw."""
    refused = [source for source in sources if any(each.reason == REFUSED_FILE for each in tallies[source.name])]
    if refused:
        found: dict[str, dict[str, str]] = {source.name: {} for source in refused}
        for row in staged.where(F.col("reason") == REFUSED_FILE).select("source", "file", "raw").limit(1000).collect():
            found[row["source"]][row["file"]] = row["raw"]
        raise InputError("\n".join(str(refuse(source, found[source.name])) for source in refused))


def _counted(look: Look, tallies: Sequence[Tally]) -> Counts:
    plan = look.plan
    accepted = plan.plain + sum(each.records for each in tallies if each.reason is None)
    refused = {each.reason: each.records for each in sorted(tallies, key=str) if each.reason is not None}
    rejected = sum(refused.values())
    if accepted + rejected != plan.records:
        raise _changed([look], accepted + rejected, plan.records)
    if look.source.format in COLUMNAR:
        return Counts(
            plan.records,
            accepted,
            rejected,
            refused,
            skipped=look.skipped,
            subfolder_files=look.subfolder_files,
        )
    held = plan.headers + plan.plain + sum(each.lines or 0 for each in tallies)
    if held != plan.lines:
        raise _changed([look], held, plan.lines, "lines")
    reject_lines = sum(each.lines or 0 for each in tallies if each.reason is not None)
    return Counts(
        plan.records,
        accepted,
        rejected,
        refused,
        lines=plan.lines,
        header_lines=plan.headers,
        reject_lines=reject_lines,
        skipped=look.skipped,
        subfolder_files=look.subfolder_files,
    )


def publish(
    spark: SparkSession, warehouse: Warehouse, looks: Sequence[Look], staged: DataFrame | None, *, rejects: bool
) -> None:
    """Replace the sources' slices, what was accepted first: its writing takes long, and a run
    killed meanwhile leaves both tables as they were.

    Args:
        staged: Rows of ``STAGED``: the records that are not plainly good; None where all are.
        rejects: Whether some of them were refused.

    Raises:
        InputError: The files changed since the look. The slices of ``corpus`` are what they were.
    """
    names = [look.source.name for look in looks]
    observed = {look.source.name: Observation() for look in looks if look.plan.plain}
    parts = [_plain(look, observed[look.source.name]) for look in looks if look.plan.plain]
    if staged is not None:
        parts.append(staged.where("reason IS NULL").select(*CORPUS.columns))
    refused = warehouse.location(CORPUS_REJECTS.name)
    # A new table of rejects is made while the executors write.
    with _readable(*(look.source for look in looks), told=failed_reading), ThreadPoolExecutor(1) as pool:
        made = pool.submit(carried(spark, refused.ensure), spark, CORPUS_REJECTS)
        commit = warehouse.replace_sources(reduce(DataFrame.unionAll, parts), CORPUS, names)
    written, expected = sum(read.get["rows"] for read in observed.values()), sum(look.plan.plain for look in looks)
    if written != expected:
        # What was written is counted only now: put back what was there.
        accepted = warehouse.location(CORPUS.name)
        version = accepted.version_of(spark, commit)
        # The first version of a table has none before it: nothing was there.
        before = accepted.read_version(spark, max(version - 1, 0)).where(of_sources(names).column)
        warehouse.replace_sources(before if version else before.limit(0), CORPUS, names)
        raise _changed(looks, written, expected)
    if rejects or not (made.result() or _nothing_to_replace(refused.read(spark), names)):
        nothing = spark.createDataFrame([], CORPUS_REJECTS.schema)
        rows = nothing if staged is None else staged.where("reason IS NOT NULL")
        warehouse.replace_sources(rows, CORPUS_REJECTS, names)


def _nothing_to_replace(refused: DataFrame, names: Sequence[str]) -> bool:
    """Whether a table of rejects can stay: it holds none of these sources, and has the columns of this release."""
    return set(CORPUS_REJECTS.columns) <= set(refused.columns) and refused.where(of_sources(names).column).isEmpty()


def _changed(looks: Sequence[Look], received: int, expected: int, unit: str = "records") -> InputError:
    names = ", ".join(look.source.name for look in looks)
    return InputError(
        f"Source {names} changed while it was read.",
        received=f"{received} {unit}",
        expected=f"{expected} {unit}, as counted a moment before",
        fix="run again when nothing writes to the files",
    )
