"""Publish deliveries: replace the sources' slices of ``corpus``, then those of ``corpus_rejects``."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce

import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from textclf.common.file_systems import file_system
from textclf.config import Source
from textclf.corpus.counts import changed
from textclf.corpus.first_look import Look
from textclf.corpus.lines.line_blocks import Block
from textclf.corpus.odd_records import ACCEPTED, REJECTED, OddRecords
from textclf.errors import InputError
from textclf.runs.workspace import Workspace
from textclf.spark.failures import READ_FAILURES, failed_reading
from textclf.storage import Warehouse
from textclf.storage.commit_retry import retried
from textclf.storage.conditions import of_sources
from textclf.storage.file_commit import copies_because, hand_over
from textclf.storage.plain_files import discard
from textclf.storage.publish import Target
from textclf.storage.run_points import reached
from textclf.storage.schemas import CORPUS, CORPUS_REJECTS
from textclf.storage.staged_table import StagedFile, url_of
from textclf.storage.warehouse import absolute

_PLACE = "first", "begun", "first_row"
_BLOCKS = StructType(
    [
        StructField("source", StringType()),
        StructField("block", LongType()),
        StructField("file", StringType()),
        *(StructField(name, LongType()) for name in _PLACE),
    ]
)
MOST_IN_THE_PLAN = 64
"""Largest number of blocks that are literals of the plan, where each row is compared with all of its source."""


def publish(workspace: Workspace, looks: Sequence[Look], odd: OddRecords) -> None:
    """Replace the sources' slices of ``corpus``, then those of ``corpus_rejects``.

    Accepted records come first: writing them takes longest, and a run killed meanwhile leaves both tables unchanged.
    Both commits name files; tables that cannot take files as they are get copies of the rows.

    Args:
        workspace: Session and tables.
        looks: First looks at the sources whose slices are replaced.
        odd: The records that needed Python; their files are the tables' from here on.

    Raises:
        InputError: The files changed since the first look. The slices of ``corpus`` are as before.
    """
    spark, warehouse = workspace.spark, workspace.warehouse
    names = [look.source.name for look in looks]
    corpus, rejects = (Target(warehouse.location(spec.name), spec) for spec in (CORPUS, CORPUS_REJECTS))
    with readable(*(look.source for look in looks), words=failed_reading):
        if copies_because(spark, corpus.place, CORPUS) is None:
            files = _written(corpus, looks)
            _hand_over(spark, corpus, [*files, *odd.taken(ACCEPTED, names, CORPUS)], names)
        else:
            _copy(warehouse, looks, odd.rows(ACCEPTED, names, CORPUS))
            reached("committed", corpus.place)
    if copies_because(spark, rejects.place, CORPUS_REJECTS) is None:
        _hand_over(spark, rejects, odd.taken(REJECTED, names, CORPUS_REJECTS), names)
        return
    made = rejects.place.ensure(spark, CORPUS_REJECTS)
    rejected = odd.of(REJECTED, names)
    if rejected or not (made or _nothing_to_replace(rejects.place.read(spark), names)):
        rows = odd.rows(REJECTED, names, CORPUS_REJECTS)
        # The accepted records are published already: a conflict with another writer must not lose the rejects.
        retried(lambda: warehouse.replace_sources(rows, CORPUS_REJECTS, names))


@contextmanager
def readable(*sources: Source, words: Callable[[Exception], str | None]) -> Iterator[None]:
    """Turn a failed read by Spark into an error that names the sources.

    Args:
        *sources: Sources that are read inside the block.
        words: Function that extracts Spark's message, or None if the error is not about the sources' files.

    Raises:
        InputError: Files of the sources cannot be read.
    """
    try:
        yield
    except READ_FAILURES as error:
        if (received := words(error)) is None:
            raise
        raise unreadable_sources(sources, received) from error


def unreadable_sources(sources: Sequence[Source], received: str) -> InputError:
    """Make the error for sources whose files Spark cannot read.

    Args:
        sources: The sources.
        received: Spark's message.
    """
    kinds = ", ".join(f"{source.format} at {absolute(source.path)}" for source in sources)
    return InputError(
        f"Source {', '.join(source.name for source in sources)} cannot be read.",
        received=received,
        expected=f"readable files of format {kinds}",
        fix="check path and format in the pipeline file, that every executor can reach the path, and that nothing "
        "writes to the files",
    )


def _plain(looks: Sequence[Look]) -> DataFrame | None:
    """Select the records that Spark alone found good, with the columns of ``corpus``; None if there are none."""
    plain = [look for look in looks if look.plan.plain]
    if not plain:
        return None
    few = sum(len(look.plan.blocks) for look in plain) <= MOST_IN_THE_PLAN
    rows = _in_the_plan(plain) if few else _joined(plain)
    place = F.col("row") - F.col("first_row")
    # Files that are cut differently than in the first look would get wrong numbers, so the query fails instead.
    told = F.concat(F.lit("the files of source "), "source", F.lit(" changed while they were read"))
    outside = F.raise_error(told).cast("long")
    position = F.when(place.between(0, F.col("begun") - 1), F.col("first") + place).otherwise(outside)
    return rows.withColumn("position", position).where("position >= 0").select(*CORPUS.columns)


def _in_the_plan(looks: Sequence[Look]) -> DataFrame:
    """Add their blocks to the good rows, from literals; null where a block is unknown."""
    parts = []
    for look in looks:
        pairs = ((_long(block.key), _literal(block)) for block in look.plan.blocks)
        block = F.try_element_at(F.create_map(*(part for pair in pairs for part in pair)), F.col("block"))
        parts.append(_good(look, "text", "label", block.alias("found")).select("*", "found.*"))
    return reduce(DataFrame.unionAll, parts)


def _literal(block: Block) -> Column:
    numbers = (_long(getattr(block, name)).alias(name) for name in _PLACE)
    return F.struct(F.lit(block.file).alias("file"), *numbers)


def _long(value: int) -> Column:
    return F.lit(value).cast("long")


def _joined(looks: Sequence[Look]) -> DataFrame:
    """Add their blocks to the good rows by a join, whose broadcast is a Spark job."""
    known = [
        (look.source.name, block.key, block.file, *(getattr(block, name) for name in _PLACE))
        for look in looks
        for block in look.plan.blocks
    ]
    parts = [_good(look, "block", "text", "label") for look in looks]
    blocks = F.broadcast(looks[0].rows.sparkSession.createDataFrame(known, _BLOCKS))
    return reduce(DataFrame.unionAll, parts).join(blocks, ["source", "block"])


def _good(look: Look, *columns: str | Column) -> DataFrame:
    return look.rows.where("good").select(F.lit(look.source.name).alias("source"), "row", *columns)


def _written(corpus: Target, looks: Sequence[Look]) -> list[StagedFile]:
    """Write the plain records as files of ``corpus``, which no version names yet.

    Raises:
        InputError: They are not as many as in the first look.
    """
    rows = _plain(looks)
    if rows is None:
        return []
    spark, files = rows.sparkSession, corpus.write(rows)
    written, expected = sum(map(_rows, files)), sum(look.plan.plain for look in looks)
    if written != expected:
        discard(spark, [file.place("") for file in files])
        raise changed(looks, written, expected)
    return files


def _rows(file: StagedFile) -> int:
    if file.rows is not None:
        return file.rows
    system, path = file_system(file.place(""))  # in a session without statistics
    with system.open_input_file(path) as opened:
        return int(pq.read_metadata(opened).num_rows)


def _hand_over(spark: SparkSession, target: Target, files: Sequence[StagedFile], names: Sequence[str]) -> None:
    """Commit files that were stored a moment ago, in place of those of the sources."""
    spec, place = target.spec, target.place
    root = url_of(spark, str(place))
    there = all(file.is_in(root) for file in files)
    hand_over(spark, "", files, place, spec, of_sources(names), gathered=there)


def _copy(warehouse: Warehouse, looks: Sequence[Look], odd: DataFrame) -> None:
    """Write the accepted records with Delta's own command, which commits at once.

    Raises:
        InputError: The files changed since the first look. The slices of ``corpus`` are restored.
    """
    spark, names = odd.sparkSession, [look.source.name for look in looks]
    plain, read = _plain(looks), Observation()
    rows = odd if plain is None else plain.observe(read, F.count(F.lit(1)).alias("rows")).unionAll(odd)
    commit = warehouse.replace_sources(rows, CORPUS, names)
    written, expected = 0 if plain is None else read.get["rows"], sum(look.plan.plain for look in looks)
    if written != expected:
        # The written rows are counted only now: restore the previous slices.
        accepted = warehouse.location(CORPUS.name)
        version = accepted.version_of(spark, commit)
        # There is no version before a table's first one: nothing to restore.
        before = accepted.read_version(spark, max(version - 1, 0)).where(of_sources(names).column)
        warehouse.replace_sources(before if version else before.limit(0), CORPUS, names)
        raise changed(looks, written, expected)


def _nothing_to_replace(refused: DataFrame, names: Sequence[str]) -> bool:
    """Whether the rejects table can stay as it is: no rows of these sources, and the columns of this release."""
    return set(CORPUS_REJECTS.columns) <= set(refused.columns) and refused.where(of_sources(names).column).isEmpty()
