"""Read the files of a path as a DataFrame of the wanted columns.

Columns are wanted by their exact names. Other columns are never read, so types that Spark does not know do no harm in
columns that are not needed. A value in a folder's name (``label=001``) is text exactly as it is written there, and
never replaces a column that the files have.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from textclf.common.java_classes import JavaClasses
from textclf.common.secrets import first_line
from textclf.errors import InputError
from textclf.spark.failures import READ_FAILURES
from textclf.storage.files.folder_walk import is_partition, path_part
from textclf.storage.files.listing import Listing, has_signs
from textclf.storage.files.partition_names import NO_VALUE

_SPARKS = "org.apache.spark.sql.parquet.row.metadata"
"""Metadata key under which Spark stores the types of columns in files that it writes."""
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class FileTable:
    """Rows read from files.

    Attributes:
        rows: Rows with those of the wanted columns that exist.
        columns: Names of all columns, those of files before those of folders.
        keys: Names of the columns that only folders have.
        listing: Listing of the files.
    """

    rows: DataFrame
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    listing: Listing


def quoted(name: str) -> str:
    """Quote the name of a top-level column for Spark, whatever characters it contains."""
    return "`{}`".format(name.replace("`", "``"))


def file_of(rows: DataFrame) -> Column:
    """Return Spark's metadata of a row's file, even if the files have a column called ``_metadata``.

    Raises:
        AnalysisException: The rows are not read from files.
    """
    return rows.metadataColumn("_metadata")


def read_lines(spark: SparkSession, listing: Listing) -> DataFrame:
    """Read the lines of text files as a column ``value``; folder names add no columns."""
    reader = _reader(spark, listing).option("recursiveFileLookup", str(not listing.closed).lower())
    return reader.text(list(listing.paths), lineSep="\n")  # only the line feed ends a line


def open_parquet(
    spark: SparkSession,
    listing: Listing,
    wanted: Collection[str] | None,
    what: str,
    types: Literal["text", "inferred"] = "text",
) -> FileTable:
    """Open the wanted columns of Parquet files.

    Args:
        spark: An open session.
        listing: Files to read.
        wanted: Names of the wanted columns; None for all.
        what: What the files are, for error messages, such as ``Source yelp``.
        types: How values in folder names are read: as text, or as the type that Spark infers from all of them.

    Raises:
        InputError: The files belong to a Delta table, cannot be read, or have a wanted column that Spark cannot read.
    """
    _refuse_delta(listing, what)
    if not listing.files:
        raise InputError(
            f"{what} cannot be read.",
            received=f"no files with content at {listing.base}",
            expected="Parquet files",
            fix="check the path",
        )
    own, names = _own_columns(spark, listing, wanted, what)
    there = {name.lower() for name in names}
    keys = folder_keys(listing)
    rows = _rows(spark, listing, own, wanted, types, what)
    only = tuple(key for key in keys if key not in names)
    return FileTable(rows, (*names, *only), tuple(key for key in only if key.lower() not in there), listing)


def folder_keys(listing: Listing) -> tuple[str, ...]:
    """Return the keys that folder names give values to, in the order in which they appear."""
    return tuple(dict.fromkeys(key for folder in listing.folders for key, _ in _pairs(folder)))


def folder_values(listing: Listing, key: str) -> dict[str, str | None]:
    """Return the values of a key by their spelling in folder names."""
    found = (raw for folder in listing.folders for name, raw in _pairs(folder) if name == key)
    return {raw: None if raw == NO_VALUE else unescaped(raw) for raw in sorted(set(found))}


def inferred_columns(spark: SparkSession, listing: Listing) -> StructType | None:
    """Return the columns that Spark makes from folder names with inferred types; None if it can make none."""
    keys = folder_keys(listing)
    if not keys or not _is_regular(listing, keys):
        return None
    reader = _reader(spark, listing).option("basePath", listing.base)
    return reader.schema(StructType([StructField("", StringType())])).parquet(*listing.paths).schema


def unescaped(raw: str) -> str:
    """Decode a value from a folder's name as Spark does: ``a%2Fb`` is ``a/b``."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), raw)


def _pairs(folder: str) -> list[tuple[str, str]]:
    """Return the keys, unescaped, and the values, as written, in a folder's name."""
    parts = (part.partition("=") for part in folder.split("/") if is_partition(part))
    return [(unescaped(key), value) for key, _, value in parts]


def _rows(
    spark: SparkSession,
    listing: Listing,
    own: StructType,
    wanted: Collection[str] | None,
    types: Literal["text", "inferred"],
    what: str,
) -> DataFrame:
    reader, keys = _reader(spark, listing), folder_keys(listing)
    mine = {name.lower() for name in own.names}
    if keys and _is_regular(listing, keys) and not mine & {key.lower() for key in keys}:
        # With Spark's own partition discovery, files that a filter on partitions leaves out are never opened.
        fields = [*own.fields, *(StructField(key, StringType()) for key in keys if types == "text")]
        return reader.option("basePath", listing.base).schema(StructType(fields)).parquet(*listing.paths)
    if keys and types == "inferred":
        raise InputError(
            f"{what} has folders from whose values no type can be inferred.",
            received=f"keys {', '.join(keys)} in {len(listing.folders)} folders, such as {listing.folders[-1]}",
            expected='with partition_types = "inferred", the same keys above every file, none a column of the files',
            fix='leave partition_types out, or set it to "text"',
        )
    rows = _open(reader.schema(own), listing)
    # Spark can have only one of several keys that differ only in case.
    made = {key.lower(): key for key in reversed(keys) if wanted is None or key in wanted}
    values = {key: _value(rows, listing, key) for lowered, key in made.items() if lowered not in mine}
    return rows.withColumns(values) if values else rows


def _reader(spark: SparkSession, listing: Listing) -> DataFrameReader:
    """Make a reader of a listing's paths. Paths that are plain names of files are not matched as patterns.

    With several names that contain pattern characters, Spark would read each file more than once.
    """
    plain = listing.closed and not any(map(has_signs, listing.paths))
    return spark.read.option("__globPaths__", "false") if plain else spark.read


def _open(reader: DataFrameReader, listing: Listing) -> DataFrame:
    """Open the files without their folder names: Spark makes no columns from folders that are named one by one."""
    return reader.option("recursiveFileLookup", str(not listing.closed).lower()).parquet(*listing.paths)


def _is_regular(listing: Listing, keys: Sequence[str]) -> bool:
    """Whether every file is below the same keys, without other folders before or between them."""
    lowered = [key.lower() for key in keys]
    if len(set(lowered)) < len(lowered):
        return False
    for folder in listing.folders:
        parts = folder.split("/")[: len(keys)]
        if [key for key, _ in _pairs("/".join(parts))] != list(keys) or len(_pairs(folder)) != len(keys):
            return False
    return True


def _value(rows: DataFrame, listing: Listing, key: str) -> Column:
    """Extract a key's value, as text, from a file's path; null if no folder of the path has the key.

    Spark skips files that a filter on this column leaves out.
    """
    path = F.url_decode(F.replace(file_of(rows)["file_path"], F.lit("+"), F.lit("%2B")))
    names = "|".join(sorted({re.escape(name) for name in _raw_keys(listing) if unescaped(name) == key}))
    pattern = rf"^[A-Za-z0-9+.-]+:(?://[^/]*)?{re.escape(path_part(listing.base))}/(?:[^/]+/)*?(?:{names})=([^/]+)/"
    raw = F.nullif(F.regexp_extract(path, pattern, 1), F.lit(""))
    other = {raw: value for raw, value in folder_values(listing, key).items() if value not in (raw, None)}
    value = raw
    if other:
        known = F.create_map(*(F.lit(text) for pair in other.items() for text in pair))
        value = F.coalesce(F.try_element_at(known, raw), raw)
    return F.when(raw != NO_VALUE, value)


def _raw_keys(listing: Listing) -> set[str]:
    parts = (part for folder in listing.folders for part in folder.split("/") if is_partition(part))
    return {part.partition("=")[0] for part in parts}


def _own_columns(
    spark: SparkSession, listing: Listing, wanted: Collection[str] | None, what: str
) -> tuple[StructType, list[str]]:
    """Return the wanted columns of the files and the names of all columns.

    As in Spark, they are those of the first file, or of all files if the session merges schemas.
    """
    first = min(each.path for each in listing.files)
    if spark.conf.get("spark.sql.parquet.mergeSchema", "false") == "true":
        merged = _open(_reader(spark, listing), listing)._jdf.schema().json()
        names, fields = _sparks_fields(merged, wanted, what) or ([], [])
        return StructType(fields), names
    try:
        about = _footer(spark, first)
    except READ_FAILURES as error:
        raise InputError(
            f"{what} cannot be read.",
            received=first_line(error),
            expected=f"Parquet files; {first} is not readable as one",
            fix="check path and format in the pipeline file",
        ) from error
    said = about.getKeyValueMetaData().get(_SPARKS)
    sparks = None if said is None else _sparks_fields(said, wanted, what)
    if sparks is not None:  # Spark has written the file and stored its types in it
        names, fields = sparks
    else:
        parts = [(part.getName(), part) for part in about.getSchema().getFields()]
        names = [name for name, _ in parts]
        fields = [_field(spark, name, part, what) for name, part in parts if wanted is None or name in wanted]
    _refuse_twins([field.name for field in fields], names, spark, what)
    return StructType(fields), names


_SHOWN = 300  # characters of a type in a message


def _sparks_fields(said: str, wanted: Collection[str] | None, what: str) -> tuple[list[str], list[StructField]] | None:
    """Read the names of all columns and the wanted columns from a schema in Spark's JSON; None if it is not one.

    Files are untrusted data. For a user-defined type PySpark would import the module that the file names, so such
    types are refused.
    """
    try:
        parts = json.loads(said)["fields"]
        names = [part["name"] for part in parts]
        asked = [part for part in parts if wanted is None or part["name"] in wanted]
        for part in asked:
            if _has_class(part["type"]):
                raise _no_type(part["name"], json.dumps(part["type"])[:_SHOWN], what)
        return names, [StructField.fromJson(part) for part in asked]
    except (ValueError, KeyError, TypeError, AttributeError):  # damaged
        return None


def _has_class(kind: Any) -> bool:
    """Whether a type in Spark's JSON is, or contains, a user-defined type."""
    if isinstance(kind, list):
        return any(map(_has_class, kind))
    if not isinstance(kind, dict):
        return bool(kind == "udt")
    parts = ("type", "fields", "elementType", "keyType", "valueType")
    return any(_has_class(kind[part]) for part in parts if part in kind)


def _no_type(name: str, kind: str, what: str) -> InputError:
    return InputError(
        f"{what} has a column of a type that Spark cannot read.",
        received=f"{name}: {kind}",
        expected="a type that Spark has; columns that are not used may have any type",
        fix="write the column as another type (times in microseconds: coerce_timestamps='us'), or name another column",
    )


def _footer(spark: SparkSession, file: str) -> Any:
    """Read a file's footer by Parquet's own reader; Spark's would fail at the first type that Spark does not have."""
    jvm = JavaClasses(spark._jvm)
    parquet, path = jvm.org.apache.parquet, jvm.org.apache.hadoop.fs.Path(file)
    conf = spark._jsparkSession.sessionState().newHadoopConf()
    # Skip the description of row groups, of which a large file has many.
    skip = parquet.format.converter.ParquetMetadataConverter.SKIP_ROW_GROUPS
    options = parquet.HadoopReadOptions.builder(conf, path).withMetadataFilter(skip).build()
    reader = parquet.hadoop.ParquetFileReader.open(parquet.hadoop.util.HadoopInputFile.fromPath(path, conf), options)
    try:
        return reader.getFileMetaData()
    finally:
        reader.close()


def _field(spark: SparkSession, name: str, part: Any, what: str) -> StructField:
    """Return a column of a file with the type that Spark gives it."""
    jvm = JavaClasses(spark._jvm)
    single = jvm.java.util.ArrayList()
    single.add(part)
    conf = spark._jsparkSession.sessionState().conf()
    converter = jvm.org.apache.spark.sql.execution.datasources.parquet.ParquetToSparkSchemaConverter(conf)
    try:
        made = converter.convert(jvm.org.apache.parquet.schema.MessageType("spark_schema", single))
    except READ_FAILURES as error:
        raise _no_type(name, part.toString(), what) from error
    return StructType.fromJson(json.loads(made.json())).fields[0]


def _refuse_twins(wanted: Iterable[str], names: Iterable[str], spark: SparkSession, what: str) -> None:
    """Refuse wanted columns that Spark cannot tell from others, because it ignores the case of names."""
    if spark.conf.get("spark.sql.caseSensitive", "false") == "true":
        return
    for name in wanted:
        twins = [other for other in names if other.lower() == name.lower()]
        if len(twins) > 1:
            raise InputError(
                f"{what} has columns whose names differ only in case.",
                received=", ".join(twins),
                expected=f"one column {name}",
                fix="rename one of them, or run with --conf spark.sql.caseSensitive=true",
            )


def _refuse_delta(listing: Listing, what: str) -> None:
    if listing.logs:
        raise InputError(
            f"{what} has the files of a Delta table, some of which may no longer belong to the table.",
            received=f"_delta_log in {listing.logs[0]}",
            expected="Parquet files",
            fix='set format = "delta" and name the table\'s folder; a source or input is one table',
        )
