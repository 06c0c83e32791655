"""Rows that no worker should see, and words for what ends a pass in the middle."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import Column
from pyspark.sql import functions as F

from textclf.config import Score
from textclf.errors import InputError, TextclfError
from textclf.scoring.batch import UNDECODABLE
from textclf.tables import Location
from textclf.tables.failures import READ_FAILURES, failed_reading, no_room


def refused_text(text: Column, score: Score, *, decodes: bool = True) -> Column:
    """Why a text is none for a model: ``oversized_text`` or ``UNDECODABLE``; else null, as for a null text.

    Args:
        decodes: Look whether it is UTF-8.
    """
    oversized = F.when(F.octet_length(text) > score.max_text_bytes, "oversized_text")
    # A column of strings may hold any bytes, such as those of a binary column that was cast.
    return oversized.when(~F.is_valid_utf8(text), UNDECODABLE) if decodes else oversized


@contextmanager
def explained(place: Location) -> Iterator[None]:
    """Say what ended a pass over the input at ``place``, where it was the input or full storage.

    Raises:
        InputError: A file of the input cannot be read to its end.
        TextclfError: There is no room left.
    """
    try:
        yield
    except READ_FAILURES as error:
        full, received = no_room(error), failed_reading(error)
        if full is not None:
            raise TextclfError(
                "There is no room left to write the scored rows; nothing was published.",
                received=full,
                expected="room for the rows of the run in the warehouse, and for Spark's scratch files",
                fix="make room, for instance with the job maintain_tables, then run it again",
            ) from error
        if received is None:
            raise
        raise InputError(
            "The input cannot be read to its end; nothing was published.",
            received=received,
            expected=f"whole, readable files at {place}",
            fix="write the damaged file again, then score again",
        ) from error
