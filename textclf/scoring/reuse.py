"""Reuse of earlier scores: a text that was scored the same way before gets a copy of its scores.

"The same way" means by the same version of a model, on the same backend, in the same precision, with the same requested
columns and by the same code. All of these go into the digest of a text, so that equal digests mean equal scores.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from textclf._version import code_version
from textclf.artifact import Artifact
from textclf.common.digests import json_digest
from textclf.inference.backends import BackendChoice
from textclf.runs.history import Publication
from textclf.scoring.input.day_values import lit_day
from textclf.storage import Location
from textclf.storage.schema_changes import has_digests, published_columns
from textclf.storage.schemas import DIGEST, SCORED

COPIED = "copied"
"""Column with the copied scores of a row; null if a model must score it."""


def with_digests(
    rows: DataFrame, artifacts: Mapping[str, Artifact], choices: Mapping[str, BackendChoice], **asked: bool
) -> DataFrame:
    """Add the digest of text and way of scoring to each row; null if no model scores the row.

    Args:
        rows: Rows with the columns text and key.
        artifacts: Models by key.
        choices: Backend of each model, by key.
        asked: The columns requested beyond label and score.
    """
    made: dict[str, str] = {}
    for key, artifact in artifacts.items():
        choice = choices[key]
        way = [artifact.digest, choice.name, choice.half, choice.gpu, sorted(asked.items()), code_version()]
        made[key] = json_digest(way)
    salts = F.create_map(*(F.lit(word) for pair in made.items() for word in pair))
    seasoned = F.concat(F.try_element_at(salts, F.col("key")), F.lit("\n"), F.col("text"))
    return rows.withColumn(DIGEST.name, F.unhex(F.sha2(seasoned, 256)))


def with_copies(rows: DataFrame, known: DataFrame | None, read: Observation) -> DataFrame:
    """Add the column ``COPIED`` to ``rows``; where it is set, text and key become null.

    Args:
        rows: Rows with the columns text, key and digest.
        known: Result of ``known_scores``; None if nothing was published before.
        read: Observation that counts all rows and the copied ones. It counts after the join: what runs before a join
            may run again when an executor dies, and would be counted twice.
    """
    nothing = F.lit(None).cast(SCORED)
    joined = rows.withColumn(COPIED, nothing) if known is None else rows.join(known, DIGEST.name, "left")
    counts = [F.count(F.lit(1)).alias("rows"), F.count(F.col(COPIED)).alias(COPIED)]
    counted = joined.observe(read, *counts)
    kept = [_unless_copied(name) if name in ("text", "key") else F.col(name) for name in (*rows.columns, COPIED)]
    return counted.select(*kept)


def _unless_copied(name: str) -> Column:
    return F.when(F.col(COPIED).isNull(), F.col(name)).alias(name)


def published_days(earlier: Iterable[Publication], day: date | None, days: int) -> list[date]:
    """Return the newest ``days`` days that have published scores and are not later than ``day``, newest first."""
    found = {each.slice.ds for publication in earlier for each in publication.slices if each.scored}
    return sorted((each for each in found if each and (day is None or each <= day)), reverse=True)[:days]


def known_scores(spark: SparkSession, place: Location, days: Collection[date]) -> DataFrame | None:
    """Read the published scores of these days.

    Returns:
        One row for each digest, with the digest and ``COPIED``, a struct of the columns of ``SCORED``. None if there
        are no days or no digests.
    """
    if not days or not has_digests(published_columns(spark, place)):
        return None
    scores = F.struct(*(F.col(name) for name in SCORED.fieldNames())).alias(COPIED)
    of_days = place.read(spark).where(F.col("ds").isin([*map(lit_day, days)]) & F.col(DIGEST.name).isNotNull())
    return of_days.select(DIGEST.name, scores).dropDuplicates([DIGEST.name])


def merged() -> dict[str, Column]:
    """Columns of ``SCORED`` and ``reason``, merged from the copied scores and those of the models."""
    copied = F.col(COPIED).isNotNull()
    columns = {name: F.when(copied, F.col(f"{COPIED}.{name}")).otherwise(F.col(name)) for name in SCORED.fieldNames()}
    return columns | {"reason": F.when(~copied, F.col("reason"))}
