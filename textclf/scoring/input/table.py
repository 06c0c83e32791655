"""The table to score: find it, pin its version, and select the columns that are needed."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from delta import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType, StructType

from textclf.config import Score
from textclf.errors import InputError
from textclf.scoring.input.day_values import lit_day, means_a_day, strict_day, unchecked_day
from textclf.spark.failures import READ_FAILURES, unreadable
from textclf.storage.files.columns import file_of, open_parquet, quoted
from textclf.storage.files.digests import digest_of, named
from textclf.storage.files.folder_names import check_sources, published_ids
from textclf.storage.files.listing import Listing, Skipped, list_files
from textclf.storage.warehouse import Location, absolute

CHAR = "__CHAR_VARCHAR_TYPE_STRING"
"""Key that Spark sets in the metadata of a column of SQL type ``char(n)`` or ``varchar(n)``."""


@dataclass(frozen=True)
class InputTable:
    """A table to score.

    Attributes:
        rows: The rows, with the columns that are needed.
        place: Location of the table.
        version: The Delta version that ``rows`` reads; None for other formats.
        columns: Names of all columns, including those that ``rows`` leaves out because they are not needed.
        keys: Partition columns, whose values come only from the names of folders.
        listing: The files; None for Delta tables and tables of the catalog.
    """

    rows: DataFrame
    place: Location
    version: int | None
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    listing: Listing | None = field(default=None, repr=False)

    @property
    def skipped(self) -> Skipped:
        """Files that are skipped because of their names."""
        return self.listing.skipped if self.listing else Skipped()

    def content(self, spark: SparkSession) -> str | None:
        """Return a text that changes with the rows: of the files' names, sizes and times, or of the Delta version.

        None if neither is known, as for a view.
        """
        if self.listing is not None:
            return self.listing.digest()
        return None if self.version is None else f"{self.place.table_id(spark)} {self.version}"

    def column(self, name: str, role: str) -> Column:
        """Return the top-level column of that name.

        Raises:
            InputError: The column does not exist; the message lists the columns that do.
        """
        if name not in self.rows.columns:
            raise InputError(
                f"The input has no {role} column of that name.",
                received=f"{role} = {name!r}",
                expected=f"one of: {', '.join(self.columns or self.rows.columns)}",
                fix=f"set {role} under [score] in the pipeline file",
            )
        return F.col(quoted(name))

    def type_of(self, name: str) -> DataType:
        """Return the type of a column."""
        return self.rows.schema[name].dataType

    def id_type(self, spark: SparkSession, score: Score, there: StructType | None) -> DataType:
        """Return the type of the id column, for a table with the columns ``there``; raises as ``published_ids``."""
        if self.listing is None or score.id not in self.keys or score.partition_types is not None:
            return self.type_of(score.id)
        return published_ids(spark, self.listing, score.id, there)

    def check_sources(self, spark: SparkSession, score: Score, published: Collection[Location]) -> None:
        """Check that sources are not published under other names; raises as ``folder_names.check_sources``."""
        if self.listing is not None and score.source in self.keys and score.partition_types is None:
            check_sources(spark, self.listing, score.source, published)

    def text(self, name: str) -> Column:
        """Return the text column.

        Raises:
            InputError: The column does not exist, or is not of type string.
        """
        column = self.column(name, "text")
        if not isinstance(self.type_of(name), StringType):
            raise _wrong_type("text", name, self.type_of(name), "string")
        return column

    def day(self, name: str) -> Column:
        """Return the date column as days; null if a value is not a day of the years 1 to 9999.

        Raises:
            InputError: The column does not exist, or its type cannot mean a day.
        """
        return strict_day(*self._dated(name))

    def unchecked_day(self, name: str) -> Column:
        """Return ``day`` without the check of the year; in comparisons, Spark can then skip partitions."""
        return unchecked_day(*self._dated(name))

    def _dated(self, name: str) -> tuple[Column, DataType]:
        column, kind = self.column(name, "date"), self.type_of(name)
        if not means_a_day(kind):
            raise _wrong_type("date", name, kind, "date, timestamp or string")
        if CHAR in self.rows.schema[name].metadata:
            column = F.rtrim(column)  # Spark pads such strings with blanks
        return column, kind


def open_input(spark: SparkSession, given: str, score: Score | None = None) -> InputTable:
    """Open the Parquet or Delta table at a path or URL, or of that name in the catalog.

    Args:
        spark: Session to read with.
        given: Path, URL or name in the catalog.
        score: Section ``[score]`` of the pipeline file. Of files only the columns that it names are read; all if None.

    Raises:
        InputError: The table does not exist, or has another format.
    """
    # Spark parses a name, and a session opened elsewhere may expand variables in it.
    is_name = "/" not in given and "${" not in given and not Path(given).exists()
    if is_name and _in_catalog(spark, given):
        place = Location(name=given)
        return InputTable(place.read(spark), place, _catalog_version(spark, given))
    place = Location(path=absolute(given))
    if place.exists(spark):
        version = place.version(spark)
        rows = spark.read.format("delta").option("versionAsOf", version).load(place.path)
        return InputTable(rows, place, version)
    try:
        return _open_files(spark, place, score)
    except READ_FAILURES as error:
        received = unreadable(error)
        if received is None:
            raise
        raise InputError(
            "The input cannot be read.",
            received=f"{given}: {received}",
            expected="path or URL of a Parquet or Delta table, or the name of a table in the catalog",
            fix="check --input, or input under [score] in the pipeline file",
        ) from error


def _open_files(spark: SparkSession, place: Location, score: Score | None) -> InputTable:
    what, types = "The input", (score.partition_types if score else None) or "text"
    listing = list_files(spark, str(place), what, recursive=score is None or score.recursive)
    opened = open_parquet(spark, listing, _wanted(score), what, types)
    return InputTable(opened.rows, place, None, opened.columns, opened.keys, listing)


def _wanted(score: Score | None) -> Collection[str] | None:
    if score is None:
        return None
    return {name for name in (score.id, score.text, score.source, score.date) if name is not None}


def day_digests(table: InputTable, day: Column, first: date, last: date) -> dict[date, str] | None:
    """Compute a digest of the input files of each day.

    A day that shares a file with other days changes with them. Days are told apart best if the table is partitioned by
    day or grows by appends.

    Args:
        table: The input.
        day: The date column.
        first: First day.
        last: Last day, included.

    Returns:
        For each day with rows, SHA-256 over path, size and modification time of its files. None if rows do not come
        from files alone.
    """
    try:
        known = file_of(table.rows)
        file = named(known["file_path"], known["file_size"], known["file_modification_time"])
        files = table.rows.where(day.between(lit_day(first), lit_day(last))).select(
            day.alias("day"), file.alias("file")
        )
    except AnalysisException:  # a view has no files
        return None
    found = files.distinct().groupBy("day").agg(digest_of(F.col("file")).alias("digest"))
    return {row["day"]: row["digest"] for row in found.collect()}


def _in_catalog(spark: SparkSession, name: str) -> bool:
    try:
        return spark.catalog.tableExists(name)
    except AnalysisException:  # not a valid table name
        return False


def _catalog_version(spark: SparkSession, name: str) -> int | None:
    try:
        return int(DeltaTable.forName(spark, name).history(1).collect()[0]["version"])
    except AnalysisException:
        return None


def _wrong_type(role: str, name: str, kind: DataType, expected: str) -> InputError:
    return InputError(
        f"The {role} column of the input has a type that cannot be used.",
        received=f"{name} {kind.simpleString()}",
        expected=expected,
        fix=f"set another column as {role} under [score] in the pipeline file, or cast it",
    )
