"""A first look at a source: which files it has, which columns, and how many records begin where."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, IntegralType, StringType

from textclf.config import Source
from textclf.config.identity import stored_json
from textclf.corpus.formats.fast_path import plain_columns
from textclf.corpus.formats.line_blocks import BlockPlan, plan_lines, plan_rows, with_place
from textclf.corpus.formats.number_columns import FRACTIONAL, whole_column
from textclf.errors import InputError
from textclf.formats import source_format
from textclf.storage.files.columns import open_parquet, quoted
from textclf.storage.files.folder_names import old_values
from textclf.storage.files.listing import Listing, Skipped, list_files
from textclf.storage.warehouse import Location, absolute


@dataclass(frozen=True)
class Fingerprint:
    """What tells that a source has changed.

    Attributes:
        digest: Of the source's section of the pipeline file, as far as it says how to read, and of what its files are
            now.
        flat: The same without files that ``recursive = false`` leaves out, as releases that read none of them had it.
        listing: Its files; None of a Delta table.
    """

    digest: str
    flat: str
    listing: Listing | None = field(default=None, repr=False)


def fingerprint(spark: SparkSession, source: Source) -> Fingerprint:
    """Files are told by path, size and time, a Delta table by its version; nothing is read.

    Raises:
        InputError: The source cannot be found.
    """

    def digest(content: str) -> str:
        return hashlib.sha256(f"{stored_json(source, exclude=('max_rejects',))}\n{content}".encode()).hexdigest()

    if not source_format(source.format).files:
        found = digest(str(Location(path=absolute(source.path)).version(spark)))
        return Fingerprint(found, found)
    listing = files_of(spark, source)
    found = digest(listing.digest())
    return Fingerprint(found, digest(listing.digest(deep=False)) if listing.deep_files else found, listing)


@dataclass(frozen=True)
class Look:
    """What a first look at a source found: its rows, with ``with_place``, and where its records are.

    Attributes:
        subfolder_files: Files that ``recursive = false`` would leave out.
        numbers: Whether labels are numbers that need not be whole.
        renamed: Labels from folders' names that were read otherwise before; see ``old_values``.
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
        """Whether no record needs a look in Python."""
        return self.plan.plain == self.plan.records


def look_at(spark: SparkSession, source: Source, listing: Listing | None = None) -> Look:
    """Count and number a source's records.

    Args:
        listing: Its files, where they are known already.

    Raises:
        InputError: It cannot be used.
    """
    listing = (listing or files_of(spark, source)) if source_format(source.format).files else None
    skipped, deep = (listing.skipped, listing.deep_files) if listing else (Skipped(), 0)
    if listing is None or source_format(source.format).columnar:
        rows, numbers, renamed = _read_columns(spark, source, listing)
        return Look(source, rows, plan_rows(rows, source), skipped, deep, numbers, renamed)
    return Look(source, *plan_lines(spark, source, listing), skipped, deep)


def files_of(spark: SparkSession, source: Source) -> Listing:
    """The files of a source that is not a Delta table; raises as ``list_files``."""
    return list_files(spark, source.path, f"Source {source.name}", recursive=source.recursive)


def _read_columns(
    spark: SparkSession, source: Source, listing: Listing | None
) -> tuple[DataFrame, bool, dict[str, str]]:
    """Text and label of a columnar source, with their place; ``numbers`` and ``renamed`` of its look.

    Args:
        listing: Its files; None of a Delta table.
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
    # Bytes for Python: a string column may hold anything, and a worker must not fail on it.
    placed = with_place(table, value=text.cast("binary"), **plain | {"good": plain["good"] & whole})
    return placed, numbers, renamed


def _check_columns(table: DataFrame, columns: Sequence[str], source: Source) -> None:
    """Refuse a text or label column that is not there, or of a type that is none of theirs.

    Args:
        columns: Names of all columns, beside those of ``table``.
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
