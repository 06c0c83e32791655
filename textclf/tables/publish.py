"""Replace slices of a published table, whole or not at all."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from textclf.tables.handover import StagedTable, can_take, clear, hand_over, look_ahead, too_many
from textclf.tables.retry import retried
from textclf.tables.schemas import TableSpec
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

    @property
    def id_type(self) -> DataType:
        """Type of the ids in both."""
        return self.accepted.spec.schema["id"].dataType

    def look_ahead(self, spark: SparkSession) -> None:
        """Get ready to publish, while there is other work to wait for."""
        for target in (self.refused, self.accepted):
            look_ahead(spark, target.place)

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

    def take_over(self, staged: StagedTable, slices: Collection[Slice], small_file_mb: int) -> None:
        """``publish`` for rows that were staged a moment ago, in files of the published layout.

        Rows are not copied: their files change hands. They are copied, into fewer and larger files, where they would
        leave many that are smaller than ``small_file_mb`` on average, and into a table that cannot take files as they
        are.
        """
        if not slices:
            return
        for target, refused in ((self.refused, True), (self.accepted, False)):
            files = [file for file in staged.files if file.refused == refused]
            takes = can_take(staged.spark, target.place, target.spec)
            if takes and not files:
                clear(staged.spark, target.place, predicate(slices))  # mostly there is nothing to remove, and no commit
            elif takes and all(file.whole for file in files) and not too_many(files, len(slices), small_file_mb):
                hand_over(staged.spark, str(staged.place), files, target.place, predicate(slices))
            else:
                replace_slices(target.place, staged.rows_in(files), target.spec, slices)


def replace_slices(place: Location, df: DataFrame, spec: TableSpec, slices: Collection[Slice]) -> None:
    """Replace those slices of a table by ``df`` in one commit; slices that ``df`` has no row of become empty.

    Rows come together by slice on their way, so that tasks do not leave a small file of each slice each.
    """
    if not slices:
        return
    # Adaptive execution splits large slices and joins small ones, to spark.sql.adaptive.advisoryPartitionSizeInBytes.
    gathered = df.hint("rebalance", *spec.partition_by)
    retried(lambda: place.replace(gathered, spec, predicate(slices)))


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
