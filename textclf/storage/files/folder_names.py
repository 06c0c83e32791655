"""Values in folder names, which are read as text; earlier releases read them as the type that Spark inferred.

``source=007`` was published as 7. Read as text, it would be published a second time, as 007. A run that would do so
stops before it writes anything, and says how to keep the old reading and how to move to the new one.
"""

import re
from collections.abc import Collection, Mapping

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, IntegralType, StringType, StructType

from textclf.errors import InputError
from textclf.storage.delta_log import log_of, none
from textclf.storage.files.columns import folder_values, inferred_columns
from textclf.storage.files.listing import Listing
from textclf.storage.warehouse import Location

_SAME = re.compile(r"0|-?[1-9][0-9]{0,17}|\d{4}-\d\d-\d\d|(?!nan$|infinity$)[a-z_-][\w-]*", re.ASCII | re.IGNORECASE)
"""Values that stay the same whatever type Spark infers, unless values beside them are numbers of another kind."""
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_SHOWN = 5  # values that a message names


def old_values(spark: SparkSession, listing: Listing, key: str) -> dict[str, str]:
    """Map the values of a key that earlier releases read differently to the text of what Spark inferred from them."""
    values = [value for value in folder_values(listing, key).values() if value is not None]
    if all(map(_SAME.fullmatch, values)):
        return {}
    kind = old_type(spark, listing, key)
    if isinstance(kind, StringType):
        return {}
    # Spark evaluates this without a job, because the driver has the rows.
    found = spark.createDataFrame([(value,) for value in values], "value string")
    read = found.select("value", F.col("value").try_cast(kind).cast("string").alias("old")).collect()
    return {row["value"]: row["old"] for row in read if row["old"] not in (None, row["value"])}


def old_type(spark: SparkSession, listing: Listing, key: str) -> DataType:
    """Return the type that Spark infers from all values of a key; string if it can infer none."""
    columns = inferred_columns(spark, listing)
    return columns[key].dataType if columns is not None and key in columns.names else StringType()


def check_sources(spark: SparkSession, listing: Listing, key: str, published: Collection[Location]) -> None:
    """Refuse to publish sources a second time that are published under what Spark inferred from their folder names.

    Args:
        spark: An open session.
        listing: Files of the input.
        key: Column of sources, whose values come only from folder names.
        published: Published tables whose rows have a source.

    Raises:
        InputError: A source is published under its inferred name.
    """
    old = old_values(spark, listing, key)
    found = {place: _sources_of(spark, place, old) for place in published if place.exists(spark)} if old else {}
    if renamed := _renamed(old, set().union(*found.values())):
        raise InputError(
            "Sources would be published again under other names: folder names are read as text now.",
            received=_shown(key, renamed),
            expected="the names that the published rows have",
            fix='keep the old names with partition_types = "inferred" under [score]; or take the new ones: '
            f"{moves(renamed, found)}, and train models of these names. "
            'partition_types = "text" publishes the new names beside the old ones',
        )


def check_labels(old: Mapping[str, str], corpus: DataFrame, source: str) -> None:
    """Refuse to change labels that the corpus holds as Spark inferred them from folder names.

    Args:
        old: Result of ``old_values``.
        corpus: Rows of the source in the corpus.
        source: Name of the source.

    Raises:
        InputError: The corpus holds a label in its inferred form.
    """
    wanted = [*old, *old.values()]
    there = {row[0] for row in corpus.where(F.col("label").isin(wanted)).select("label").distinct().collect()}
    if renamed := _renamed(old, there):
        raise InputError(
            f"Labels of source {source} would change: folder names are read as text now.",
            received=_shown("label", renamed),
            expected="the labels that the corpus and the models have",
            fix=f'keep the old labels with partition_types = "inferred" in the section of source {source}; or take the '
            'new ones with partition_types = "text", and train its models again',
        )


def published_ids(spark: SparkSession, listing: Listing, key: str, there: StructType | None) -> DataType:
    """Return the type of ids that come only from folder names.

    Ids are strings, unless the published table has whole numbers and every folder name is one, written as Spark writes
    numbers.

    Args:
        spark: An open session.
        listing: Files of the input.
        key: Column of ids.
        there: Columns of the published table; None if there is no table yet.

    Raises:
        InputError: The table has whole numbers, and a folder name is written otherwise, such as ``0001``.
    """
    published = there["id"].dataType if there is not None and "id" in there.names else StringType()
    if not isinstance(published, IntegralType):
        return StringType()
    others = [value for value in folder_values(listing, key).values() if value and not _NUMBER.fullmatch(value)]
    if not others:
        return old_type(spark, listing, key)
    raise InputError(
        "Ids would be published again in another form: folder names are read as text now.",
        received=", ".join(f"{key}={value}" for value in others[:_SHOWN]),
        expected=f"ids of type {published.simpleString()}, as the published rows have",
        fix='keep numbers as ids with partition_types = "inferred" under [score]; or publish strings to another table '
        "with --output, or to another warehouse",
    )


def _sources_of(spark: SparkSession, place: Location, old: Mapping[str, str]) -> set[str]:
    """Return those of the old and new values for which a table has slices, from Delta's log without reading rows."""
    path = place.path or place.delta(spark).detail().collect()[0]["location"]
    files = log_of(spark, path).update(False, none(spark), none(spark)).allFiles().toDF()
    source = F.col("partitionValues")["source"]
    found = DataFrame(files, spark).where(source.isin([*old, *old.values()])).select(source).distinct()
    return {row[0] for row in found.collect()}


def _renamed(old: Mapping[str, str], there: Collection[str]) -> dict[str, str]:
    """Return the values that are published in their old form and not in their new one."""
    return {new: was for new, was in old.items() if was in there and new not in there}


def moves(renamed: Mapping[str, str], found: Mapping[Location, Collection[str]]) -> str:
    """Say how to move published sources to their new names, with one SQL statement per table."""
    olds = list(renamed.values())
    if len(set(olds)) < len(olds):
        return "publish to another warehouse, because two folders had the same old name"
    made = []
    for place, there in found.items():
        pairs = [(_sql(was), _sql(new)) for new, was in renamed.items() if was in there]
        table = place.name or f"delta.`{place.path}`"
        cases = " ".join(f"WHEN {was} THEN {new}" for was, new in pairs)
        old = ", ".join(was for was, _ in pairs)
        made += [f"UPDATE {table} SET source = CASE source {cases} END WHERE source IN ({old})"] if pairs else []
    return f"run {'; '.join(made)}"


def _sql(value: str) -> str:
    """Write a string as a literal of Spark SQL that can be copied from a message."""
    if value.isprintable() and "${" not in value:
        return "'{}'".format(value.replace("\\", "\\\\").replace("'", "\\'"))
    return f"CAST(X'{value.encode().hex().upper()}' AS STRING)"


def _shown(key: str, renamed: Mapping[str, str]) -> str:
    more = f", {len(renamed) - _SHOWN} more" if len(renamed) > _SHOWN else ""
    return ", ".join(f"{key}={new}, which was {was}" for new, was in list(renamed.items())[:_SHOWN]) + more
