"""The first look at a source: its files, its columns, and how many records begin in each block."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, IntegralType, StringType

from textclf.config import Source
from textclf.config.identity import stored_json
from textclf.corpus.lines.fast_path import plain_columns
from textclf.corpus.lines.first_counts import (
    answered,
    count_query,
    head_query,
    header_of,
    line_rows,
    plan_of,
    with_place,
)
from textclf.corpus.lines.line_blocks import BlockPlan
from textclf.corpus.lines.number_columns import FRACTIONAL, whole_column
from textclf.errors import InputError
from textclf.storage.files.columns import open_parquet, quoted, read_lines
from textclf.storage.files.folder_names import old_values
from textclf.storage.files.listing import Listing, Skipped, list_files
from textclf.storage.warehouse import Location, absolute


@dataclass(frozen=True)
class Fingerprint:
    """Digests that change when a source changes.

    Attributes:
        digest: Digest of the source's current files and of the keys of its section that say how to read them.
        flat: The same digest without the files that ``recursive = false`` leaves out. Earlier releases, which did not
            read those files, recorded this one.
        listing: The source's files; None for a Delta table.
    """

    digest: str
    flat: str
    listing: Listing | None = field(default=None, repr=False)


def fingerprint(spark: SparkSession, source: Source) -> Fingerprint:
    """Compute a source's fingerprint without reading its content.

    Files are identified by path, size and modification time, a Delta table by its version.

    Raises:
        InputError: The source cannot be found.
    """

    def digest(content: str) -> str:
        return hashlib.sha256(f"{stored_json(source, exclude=('max_rejects',))}\n{content}".encode()).hexdigest()

    if not source.kind.files:
        found = digest(str(Location(path=absolute(source.path)).version(spark)))
        return Fingerprint(found, found)
    listing = files_of(spark, source)
    found = digest(listing.digest())
    return Fingerprint(found, digest(listing.digest(deep=False)) if listing.deep_files else found, listing)


@dataclass(frozen=True)
class Opened:
    """A source whose files are found, before a record is read.

    Attributes:
        rows: Its lines, or of a columnar source its rows with their place, as ``with_place`` gives them.
        skipped: Files that are not read because of their names.
        subfolder_files: Number of files that ``recursive = false`` would leave out.
        numbers: Whether labels are numbers that may have a fraction.
        renamed: Labels from folder names that earlier releases read differently; see ``old_values``.
    """

    source: Source
    rows: DataFrame
    skipped: Skipped = field(default_factory=Skipped)
    subfolder_files: int = 0
    numbers: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def headed(self) -> bool:
        """Whether a line that says the columns has to be read before the others."""
        source = self.source
        return source.header and not source.kind.columnar and not source.quoted


@dataclass(frozen=True)
class Look(Opened):
    """Result of the first look at a source: its rows with their place, and where its records are."""

    plan: BlockPlan = field(default_factory=lambda: BlockPlan(()))

    @property
    def all_plain(self) -> bool:
        """Whether Spark's expressions alone can read every record, without Python."""
        return self.plan.plain == self.plan.records


def look_at(spark: SparkSession, source: Source, listing: Listing | None = None) -> Look:
    """Count and number a source's records.

    Args:
        spark: An open session.
        source: The source.
        listing: The source's files, if they have been listed already.

    Raises:
        InputError: The source cannot be used.
    """
    failed: dict[str, InputError] = {}
    looks = look_together([open_source(spark, source, listing)], failed)
    if failed:
        raise failed[source.name]
    return looks[source.name]


def open_source(spark: SparkSession, source: Source, listing: Listing | None = None) -> Opened:
    """Find a source's files and columns, without a Spark job.

    Args:
        spark: An open session.
        source: The source.
        listing: The source's files, if they have been listed already.

    Raises:
        InputError: The source cannot be used.
    """
    listing = (listing or files_of(spark, source)) if source.kind.files else None
    skipped, deep = (listing.skipped, listing.deep_files) if listing else (Skipped(), 0)
    if listing is None or source.kind.columnar:
        rows, numbers, renamed = _read_columns(spark, source, listing)
        return Opened(source, rows, skipped, deep, numbers, renamed)
    return Opened(source, read_lines(spark, listing), skipped, deep)


def look_together(opened: Sequence[Opened], failed: dict[str, InputError]) -> dict[str, Look]:
    """Count and number the records of sources, in one Spark job, or in two if lines say the columns of some.

    Args:
        opened: The sources.
        failed: Dictionary that receives the errors of sources that cannot be used, by source name.

    Returns:
        Looks at all other sources, by source name.
    """
    headers: dict[str, tuple[str, ...]] = {}
    if headed := [each for each in opened if each.headed]:
        for each, answer in zip(headed, answered([head_query(o.source, o.rows) for o in headed]), strict=True):
            with failure_noted(each.source.name, failed):
                headers[each.source.name] = header_of(each.source, answer)
    left = {each.source.name: each for each in opened if each.source.name not in failed}
    rows = {
        name: each.rows if each.source.kind.columnar else line_rows(each.source, each.rows, headers.get(name))
        for name, each in left.items()
    }
    looks: dict[str, Look] = {}
    answers = answered([count_query(each.source, rows[name]) for name, each in left.items()]) if left else []
    for (name, each), answer in zip(left.items(), answers, strict=True):
        with failure_noted(each.source.name, failed):
            plan = plan_of(each.source, answer, rows[name], headers.get(name))
            looks[name] = Look(
                each.source, rows[name], each.skipped, each.subfolder_files, each.numbers, each.renamed, plan
            )
    return looks


@contextmanager
def failure_noted(name: str, failed: dict[str, InputError]) -> Iterator[None]:
    """Note the error of a source that cannot be used, so that the block's work goes on with the others.

    Args:
        name: Name of the source.
        failed: Dictionary that receives the error, by the name of the source.
    """
    try:
        yield
    except InputError as error:
        failed[name] = error


def files_of(spark: SparkSession, source: Source) -> Listing:
    """List the files of a source that is not a Delta table. Raises what ``list_files`` raises."""
    return list_files(spark, source.path, f"Source {source.name}", recursive=source.recursive)


def _read_columns(
    spark: SparkSession, source: Source, listing: Listing | None
) -> tuple[DataFrame, bool, dict[str, str]]:
    """Open a columnar source.

    Args:
        listing: The source's files; None for a Delta table.

    Returns:
        Text and label with their place, then ``numbers`` and ``renamed`` of ``Look``.
    """
    if listing is None:
        place = Location(path=absolute(source.path))
        snapshot = place.snapshot(spark)
        # Without a table, Spark's error says what is there instead.
        table = place.read(spark) if snapshot is None else place.pinned(spark, snapshot)
        columns, renamed = tuple(table.columns), {}
    else:
        wanted, types = (source.text, source.label), source.partition_types or "text"
        opened = open_parquet(spark, listing, wanted, f"Source {source.name}", types)
        table, columns = opened.rows, opened.columns
        doubtful = source.label in opened.keys and source.partition_types is None
        renamed = old_values(spark, listing, source.label) if doubtful else {}
    _check_columns(table, columns, source)
    text, label = F.col(quoted(source.text)), F.col(quoted(source.label))
    kind = table.schema[source.label].dataType
    numbers = isinstance(kind, FRACTIONAL)
    label, whole = whole_column(label, kind) if numbers else (label.cast("string"), F.lit(True))
    plain = plain_columns(source, text, label)
    # Python gets bytes: a string column may hold invalid UTF-8, and a worker must not fail on it.
    placed = with_place(table, value=text.cast("binary"), **plain | {"good": plain["good"] & whole})
    return placed, numbers, renamed


def _check_columns(table: DataFrame, columns: Sequence[str], source: Source) -> None:
    """Refuse a source whose text or label column is missing or has an unsuitable type.

    Args:
        columns: Names of all columns of the source, for the message.
    """
    for key, allowed in (("text", StringType), ("label", (StringType, IntegralType, BooleanType, *FRACTIONAL))):
        column = getattr(source, key)
        kind = next((field.dataType for field in table.schema if field.name == column), None)
        if not isinstance(kind, allowed):
            raise InputError(
                f"Source {source.name} has no usable {key} column.",
                received=f"{column}: {kind.simpleString()}" if kind else f"columns {', '.join(columns)}",
                expected=f"a column {column} of strings" + (", numbers or booleans" if key == "label" else ""),
                fix=f'name it in the pipeline file: {key} = "..."',
            )
