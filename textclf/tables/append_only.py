"""Tables that must not lose a row: Delta refuses each commit that removes one, ours among them."""

from typing import Any

from pyspark.sql import SparkSession

from textclf.errors import InputError
from textclf.tables.transactions import log_of, none
from textclf.tables.warehouse import Location

APPEND_ONLY = "delta.appendOnly"


def check_replaceable(spark: SparkSession, *places: Location) -> None:
    """Refuse tables whose rows cannot be replaced, before anything is written; one that does not exist yet is fine.

    Raises:
        InputError: A table is append-only.
    """
    found = [str(place) for place in places if place.exists(spark) and _append_only(spark, place)]
    if found:
        raise InputError(
            "A table is append-only, and a rerun replaces the rows that it wrote before.",
            received=f"{APPEND_ONLY} = true on {', '.join(found)}",
            expected="tables whose rows may be replaced",
            fix=f"ALTER TABLE ... SET TBLPROPERTIES ({APPEND_ONLY} = false), or write to another table",
        )


def _append_only(spark: SparkSession, place: Location) -> bool:
    log: Any = log_of(spark, place.path) if place.path is not None else place.delta(spark)._jdt.deltaLog()
    value = log.update(False, none(spark), none(spark)).metadata().configuration().get(APPEND_ONLY)
    return bool(value.isDefined() and str(value.get()).lower() == "true")
