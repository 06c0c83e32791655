"""The first look at a source: its files, its columns, and how many records begin in each block."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, IntegralType, StringType

from textclf.config import Source
from textclf.config.identity import stored_json
from textclf.corpus.lines.fast_path import plain_columns
from textclf.corpus.lines.line_blocks import BlockPlan, plan_lines, plan_rows, with_place
from textclf.corpus.lines.number_columns import FRACTIONAL, whole_column
from textclf.errors import InputError
from textclf.storage.files.columns import open_parquet, quoted
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
class Look:
    """Result of the first look at a source: its rows as ``with_place`` gives them, and where its records are.

    Attributes:
        subfolder_files: Number of files that ``recursive = false`` would leave out.
        numbers: Whether labels are numbers that may have a fraction.
        renamed: Labels from folder names that earlier releases read differently; see ``old_values``.
    """

    source: Source
    rows: DataFrame
    plan: BlockPlan
    skipped: Skipped = field(default_factory=Skipped)
    subfolder_files: int = 0
    numbers: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_plain(self) -> bool:
        """Whether Spark's expressions alone can read every record, without Python."""
        return self.plan.plain == self.plan.records


def look_at(spark: SparkSession, source: Source, listing: Listing | None = None) -> Look:
    """Count and number a source's records.

    Args:
        listing: The source's files, if they have been listed already.

    Raises:
        InputError: The source cannot be used.
    """
    listing = (listing or files_of(spark, source)) if source.kind.files else None
    skipped, deep = (listing.skipped, listing.deep_files) if listing else (Skipped(), 0)
    if listing is None or source.kind.columnar:
        rows, numbers, renamed = _read_columns(spark, source, listing)
        return Look(source, rows, plan_rows(rows, source), skipped, deep, numbers, renamed)
    return Look(source, *plan_lines(spark, source, listing), skipped, deep)


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
        table = spark.read.format("delta").load(absolute(source.path))
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
