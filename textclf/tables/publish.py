"""Replace slices of a published table, whole or not at all."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from textclf.errors import InputError
from textclf.tables.retry import retried
from textclf.tables.schemas import CHALLENGED, TableSpec
from textclf.tables.warehouse import Location


@dataclass(frozen=True)
class Slice:
    """The rows of one day and source; None stands for rows without one."""

    ds: date | None
    source: str | None


@dataclass(frozen=True)
class Target:
    """A table to publish to."""

    place: Location
    spec: TableSpec


@dataclass(frozen=True)
class Targets:
    """The two tables that rows of a scoring pass end in."""

    accepted: Target
    refused: Target

    def publish(self, stored: DataFrame, run_id: str, slices: Collection[Slice]) -> None:
        """Replace the slices by staged rows: those with a reason in one table, all others in the other.

        Two tables are two commits. That of the refused rows comes first, so that the commit of the accepted ones is
        the one that publishes: before it the results are those of the run before, after it nothing is left to do. A
        run killed in between leaves refused rows that are ahead of the results; the next run of the same slices
        replaces both. A conflict with another writer changes nothing and is tried again.
        """
        stamped = stored.withColumn("run_id", F.lit(run_id))
        for target, condition in ((self.refused, "reason IS NOT NULL"), (self.accepted, "reason IS NULL")):
            replace_slices(target.place, stamped.where(condition), target.spec, slices)


def check_columns(spark: SparkSession, place: Location, spec: TableSpec) -> None:
    """Refuse a table whose columns are not those of ``spec``; one that does not exist yet is fine.

    The columns of a challenger may be missing on either side: there are runs with and without one.

    Raises:
        InputError: It has others, such as ids of another type.
    """
    if not place.exists(spark):
        return
    found = {field.name: field.dataType.simpleString() for field in place.read(spark).schema}
    wanted = {field.name: field.dataType.simpleString() for field in spec.schema}
    optional = set(CHALLENGED.fieldNames()) - (found.keys() & wanted.keys())
    differing = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name) and name not in optional]
    if differing:
        raise InputError(
            f"The table at {place} has other columns than this run would write.",
            received=", ".join(f"{name} {found.get(name, 'missing')}" for name in differing),
            expected=", ".join(f"{name} {wanted.get(name, 'absent')}" for name in differing),
            fix="write to another table with --output, or to another warehouse",
        )


def replace_slices(place: Location, df: DataFrame, spec: TableSpec, slices: Collection[Slice]) -> None:
    """Replace those slices of a table by ``df`` in one commit; slices that ``df`` has no row of become empty."""
    if not slices:
        return
    retried(lambda: place.replace(df, spec, predicate(slices)))


def predicate(slices: Collection[Slice]) -> str:
    r"""The SQL condition that holds for the rows of ``slices`` alone.

    Example:
        >>> print(predicate([Slice(date(2026, 1, 31), "joe's"), Slice(None, None)]))
        (ds = DATE '2026-01-31' AND (source IN ('joe\'s'))) OR (ds IS NULL AND (source IS NULL))
    """
    by_day: dict[date | None, list[str | None]] = {}
    for each in slices:
        by_day.setdefault(each.ds, []).append(each.source)
    days = []
    for day, sources in by_day.items():
        named = sorted(source for source in sources if source is not None)
        parts = [f"source IN ({', '.join(map(_quoted, named))})"] if named else []
        parts += ["source IS NULL"] if None in sources else []
        condition = "ds IS NULL" if day is None else f"ds = DATE '{day.isoformat()}'"
        days.append(f"({condition} AND ({' OR '.join(parts)}))")
    return " OR ".join(days)


def _quoted(value: str) -> str:
    """A SQL literal of any text: sources come from data and may hold quotes."""
    return "'{}'".format(value.replace("\\", "\\\\").replace("'", "\\'"))
