"""Check for append-only tables, on which Delta refuses every commit that removes rows."""

from pyspark.sql import SparkSession

from textclf.errors import InputError
from textclf.storage.warehouse import Location

APPEND_ONLY = "delta.appendOnly"


def check_replaceable(spark: SparkSession, *places: Location) -> None:
    """Refuse tables whose rows cannot be replaced, before anything is written; a missing table is accepted.

    Raises:
        InputError: A table is append-only.
    """
    found = [str(place) for place in places if _append_only(spark, place)]
    if found:
        raise InputError(
            "A table is append-only, but a rerun has to replace the rows that it wrote before.",
            received=f"{APPEND_ONLY} = true on {', '.join(found)}",
            expected="tables whose rows may be replaced",
            fix=f"ALTER TABLE ... SET TBLPROPERTIES ({APPEND_ONLY} = false), or write to another table",
        )


def _append_only(spark: SparkSession, place: Location) -> bool:
    if place.path is None and not place.exists(spark):
        return False
    snapshot = place.seen(spark)  # this setting rarely changes
    value = None if snapshot is None else snapshot.metadata().configuration().get(APPEND_ONLY)
    return bool(value is not None and value.isDefined() and str(value.get()).lower() == "true")
