"""Raw files into ``corpus`` and ``corpus_rejects``: every record in exactly one of the two."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, IntegralType, StringType

from textclf.config import Source
from textclf.corpus.blocks import BlockPlan, plan_blocks, read_lines
from textclf.corpus.parse import STAGED, column_parser, fragment_parser, record_parser
from textclf.errors import InputError
from textclf.tables import Location, Warehouse
from textclf.tables.failures import READ_FAILURES, unreadable
from textclf.tables.schemas import CORPUS, CORPUS_REJECTS
from textclf.tables.staging import staging
from textclf.tables.warehouse import absolute

_AT_ONCE = 4  # sources read side by side: hides the driver's planning behind the executors' reading


@dataclass(frozen=True)
class Counts:
    """Records of a source: ``records = accepted + rejected``."""

    records: int
    accepted: int
    rejected: int
    reasons: dict[str, int]


def ingest_corpus(
    spark: SparkSession, warehouse: Warehouse, run_id: str, sources: Sequence[Source]
) -> dict[str, Counts]:
    """Replace the sources' slices of ``corpus`` and ``corpus_rejects`` by what their files hold now.

    All records are read and counted before the first of them becomes visible.

    Returns:
        Counts by source name.

    Raises:
        InputError: A source cannot be read, holds no record, or changed while it was read. No table changed.
    """
    with staging(spark, warehouse, run_id, STAGED) as place:
        expected = _stage_all(spark, sources, place)
        staged = place.read(spark).where("fragment IS NULL")
        counts = {name: _counted(staged, name, records) for name, records in expected.items()}
        names = list(expected)
        warehouse.replace_sources(staged.where("reason IS NOT NULL"), CORPUS_REJECTS, names)
        warehouse.replace_sources(staged.where("reason IS NULL"), CORPUS, names)
    return counts


def _stage_all(spark: SparkSession, sources: Sequence[Source], place: Location) -> dict[str, int]:
    """Records of each source, now staged; one error for all sources that cannot be read."""
    with ThreadPoolExecutor(min(_AT_ONCE, len(sources))) as pool:
        futures = {source.name: pool.submit(_stage, spark, source, place) for source in sources}
    errors = [future.exception() for future in futures.values()]
    unusable = [error for error in errors if isinstance(error, InputError)]
    for error in errors:
        if error is not None and not isinstance(error, InputError):
            raise error
    if len(unusable) == 1:
        raise unusable[0]
    if unusable:
        raise InputError("\n".join(map(str, unusable)))
    return {name: future.result() for name, future in futures.items()}


def _stage(spark: SparkSession, source: Source, place: Location) -> int:
    try:
        stage = _stage_columns if source.format in ("parquet", "delta") else _stage_lines
        records = stage(spark, source, place)
    except READ_FAILURES as error:
        received = unreadable(error)
        if received is None:
            raise
        raise InputError(
            f"Source {source.name} cannot be read.",
            received=received,
            expected=f"readable files of format {source.format} at {absolute(source.path)}",
            fix="check path and format in the pipeline file, and that every executor can reach the path",
        ) from error
    if records == 0:
        raise InputError(
            f"Source {source.name} holds no record.",
            received=f"nothing but empty files at {source.path}",
            expected="at least one record",
            fix="check the path; to remove a source, delete its rows from corpus and corpus_rejects",
        )
    return records


def _stage_lines(spark: SparkSession, source: Source, place: Location) -> int:
    lines = read_lines(spark, source)
    plan = plan_blocks(lines, source)
    if not plan.blocks:
        return 0
    numbered = _in_blocks(lines, plan).select("block", "value")
    place.write(numbered.mapInArrow(record_parser(source, plan), STAGED.schema))
    if source.quoted:
        _stage_fragments(spark, source, plan, place)
    return plan.records


def _in_blocks(rows: DataFrame, plan: BlockPlan) -> DataFrame:
    """The rows with the number of their block; a broadcast join keeps each task's rows in order."""
    numbers = [(block.path, block.start, block.id) for block in plan.blocks]
    blocks = rows.sparkSession.createDataFrame(numbers, "path string, start long, block int")
    return rows.join(F.broadcast(blocks), ["path", "start"])


def _stage_fragments(spark: SparkSession, source: Source, plan: BlockPlan, place: Location) -> None:
    """Put the records together that cross from block to block."""
    ours = (F.col("source") == source.name) & F.col("fragment").isNotNull()
    fragments = place.read(spark).where(ours)
    if fragments.isEmpty():
        return
    ordered = F.array_sort(F.collect_list(F.struct("start", "fragment")))
    records = fragments.groupBy("file", "position").agg(ordered["fragment"].alias("fragments"))
    place.write(records.mapInArrow(fragment_parser(source, plan), STAGED.schema))


def _stage_columns(spark: SparkSession, source: Source, place: Location) -> int:
    table = spark.read.format(source.format).load(absolute(source.path))
    _check_columns(table, source)
    rows = table.select(
        F.col("_metadata.file_path").alias("path"),
        F.col("_metadata.file_block_start").alias("start"),
        # Bytes: a string column may hold anything, and a worker must not fail on it.
        F.col(source.text).cast("binary").alias("text"),
        F.col(source.label).cast("string").alias("label"),
    )
    plan = plan_blocks(rows, source)
    numbered = _in_blocks(rows, plan).select("block", "text", "label")
    place.write(numbered.mapInArrow(column_parser(source, plan), STAGED.schema))
    return plan.records


def _check_columns(table: DataFrame, source: Source) -> None:
    for key, allowed in (("text", StringType), ("label", (StringType, IntegralType, BooleanType))):
        column = getattr(source, key)
        kind = next((field.dataType for field in table.schema if field.name == column), None)
        if not isinstance(kind, allowed):
            raise InputError(
                f"Source {source.name} has no usable {key} column.",
                received=f"{column}: {kind.simpleString()}" if kind else f"columns {', '.join(table.columns)}",
                expected=f"a column {column} of strings" + (", integers or booleans" if key == "label" else ""),
                fix=f'name it in the pipeline file: {key} = "..."',
            )


def _counted(staged: DataFrame, name: str, expected: int) -> Counts:
    grouped = staged.where(F.col("source") == name).groupBy("reason").count().collect()
    reasons = {row["reason"]: row["count"] for row in grouped}
    accepted = reasons.pop(None, 0)
    rejected = sum(reasons.values())
    if accepted + rejected != expected:
        raise InputError(
            f"Source {name} changed while it was read.",
            received=f"{accepted + rejected} records",
            expected=f"{expected} records, as counted a moment before",
            fix="run again when nothing writes to the files",
        )
    return Counts(expected, accepted, rejected, dict(sorted(reasons.items())))
