"""Values in the names of folders: texts now, of the type that Spark infers from all of them before.

``source=007`` was published as 7. Read as text it would be published a second time, as 007. So a run that would do
that stops before it writes anything, and says how to keep the old reading and how to move to the new one.
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
"""Values that are written alike whatever Spark infers of them, unless others beside them are numbers of other kinds."""
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_SHOWN = 5  # values that a message names


def old_values(spark: SparkSession, listing: Listing, key: str) -> dict[str, str]:
    """By value of a key, where it was read otherwise before: the text of what Spark inferred from it."""
    values = [value for value in folder_values(listing, key).values() if value is not None]
    if all(map(_SAME.fullmatch, values)):
        return {}
    kind = old_type(spark, listing, key)
    if isinstance(kind, StringType):
        return {}
    # Of rows that the driver has, Spark evaluates this without a job.
    found = spark.createDataFrame([(value,) for value in values], "value string")
    read = found.select("value", F.col("value").try_cast(kind).cast("string").alias("old")).collect()
    return {row["value"]: row["old"] for row in read if row["old"] not in (None, row["value"])}


def old_type(spark: SparkSession, listing: Listing, key: str) -> DataType:
    """The type that Spark infers from all values of a key; string where it can infer none."""
    columns = inferred_columns(spark, listing)
    return columns[key].dataType if columns is not None and key in columns.names else StringType()


def check_sources(spark: SparkSession, listing: Listing, key: str, published: Collection[Location]) -> None:
    """Refuse to publish sources again that are published under what Spark inferred from their folders' names.

    Args:
        key: The column of sources, which only folders' names give values to.
        published: Tables of rows of sources.

    Raises:
        InputError: One is.
    """
    old = old_values(spark, listing, key)
    found = {place: _sources_of(spark, place, old) for place in published if place.exists(spark)} if old else {}
    if renamed := _renamed(old, set().union(*found.values())):
        raise InputError(
            "Sources would be published again under other names: what a folder is called is text now.",
            received=_shown(key, renamed),
            expected="the names that the published rows have",
            fix='keep the old names with partition_types = "inferred" under [score]; or take the new ones: '
            f"{moves(renamed, found)}, and train models of these names. "
            'partition_types = "text" publishes beside what is there',
        )


def check_labels(old: Mapping[str, str], corpus: DataFrame, source: str) -> None:
    """Refuse to read labels anew that are in the corpus as what Spark inferred from their folders' names.

    Args:
        old: As of ``old_values``.
        corpus: The source's rows.

    Raises:
        InputError: One is.
    """
    wanted = [*old, *old.values()]
    there = {row[0] for row in corpus.where(F.col("label").isin(wanted)).select("label").distinct().collect()}
    if renamed := _renamed(old, there):
        raise InputError(
            f"Labels of source {source} would change: what a folder is called is text now.",
            received=_shown("label", renamed),
            expected="the labels that the corpus and the models have",
            fix=f'keep the old labels with partition_types = "inferred" in the section of source {source}; or take the '
            'new ones with partition_types = "text", and train its models anew',
        )


def published_ids(spark: SparkSession, listing: Listing, key: str, there: StructType | None) -> DataType:
    """The type of ids that only folders' names give, where a table with the columns ``there`` may be published already.

    Texts, but for a table of whole numbers where every name is one, written as numbers are.

    Raises:
        InputError: The table has whole numbers, and names are written otherwise: ``0001``.
    """
    published = there["id"].dataType if there is not None and "id" in there.names else StringType()
    if not isinstance(published, IntegralType):
        return StringType()
    others = [value for value in folder_values(listing, key).values() if value and not _NUMBER.fullmatch(value)]
    if not others:
        return old_type(spark, listing, key)
    raise InputError(
        "Ids would be published again in another form: what a folder is called is text now.",
        received=", ".join(f"{key}={value}" for value in others[:_SHOWN]),
        expected=f"ids of type {published.simpleString()}, as the published rows have",
        fix='keep numbers as ids with partition_types = "inferred" under [score]; or publish texts: to another table '
        "with --output, or to another warehouse",
    )


def _sources_of(spark: SparkSession, place: Location, old: Mapping[str, str]) -> set[str]:
    """Those of the values, old and new, that a table has a slice of: Delta's log tells, no row is read."""
    path = place.path or place.delta(spark).detail().collect()[0]["location"]
    files = log_of(spark, path).update(False, none(spark), none(spark)).allFiles().toDF()
    source = F.col("partitionValues")["source"]
    found = DataFrame(files, spark).where(source.isin([*old, *old.values()])).select(source).distinct()
    return {row[0] for row in found.collect()}


def _renamed(old: Mapping[str, str], there: Collection[str]) -> dict[str, str]:
    """Those values that are there as they were read before, and not as they are read now."""
    return {new: was for new, was in old.items() if was in there and new not in there}


def moves(renamed: Mapping[str, str], found: Mapping[Location, Collection[str]]) -> str:
    """What moves published sources to their new names: a statement a table."""
    olds = list(renamed.values())
    if len(set(olds)) < len(olds):
        return "publish to another warehouse, since one old name is of two folders"
    made = []
    for place, there in found.items():
        pairs = [(_sql(was), _sql(new)) for new, was in renamed.items() if was in there]
        table = place.name or f"delta.`{place.path}`"
        cases = " ".join(f"WHEN {was} THEN {new}" for was, new in pairs)
        old = ", ".join(was for was, _ in pairs)
        made += [f"UPDATE {table} SET source = CASE source {cases} END WHERE source IN ({old})"] if pairs else []
    return f"run {'; '.join(made)}"


def _sql(value: str) -> str:
    """A literal of Spark's SQL that can be copied from a message."""
    if value.isprintable() and "${" not in value:
        return "'{}'".format(value.replace("\\", "\\\\").replace("'", "\\'"))
    return f"CAST(X'{value.encode().hex().upper()}' AS STRING)"


def _shown(key: str, renamed: Mapping[str, str]) -> str:
    more = f", {len(renamed) - _SHOWN} more" if len(renamed) > _SHOWN else ""
    return ", ".join(f"{key}={new}, which was {was}" for new, was in list(renamed.items())[:_SHOWN]) + more
