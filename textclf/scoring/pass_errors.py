"""Rows that no worker should see, and words for what ends a pass in the middle."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import Column
from pyspark.sql import functions as F

from textclf.config import Score
from textclf.errors import InputError, TextclfError
from textclf.scoring.input.source_names import too_many_in
from textclf.spark.failures import READ_FAILURES, failed_reading, no_room
from textclf.storage import Location


def refused_text(text: Column, score: Score) -> Column:
    """Why no worker should see a text: ``oversized_text``; else null, as for a null text.

    Workers find out in a fifth of the time what is no UTF-8.
    """
    return F.when(F.octet_length(text) > score.max_text_bytes, "oversized_text")


@contextmanager
def explained(place: Location, score: Score, most_sources: int) -> Iterator[None]:
    """Say what ended a pass over the input, where it was the input or full storage.

    Args:
        place: Where the input is.
        score: What the pipeline file says of it: the column of sources, for the message.
        most_sources: How many sources the run may have.

    Raises:
        InputError: A file of the input cannot be read to its end, or has more sources than ``most_sources``.
        TextclfError: There is no room left.
    """
    try:
        yield
    except READ_FAILURES as error:
        if refusal := too_many_in(error, score.source, most_sources):
            raise refusal from error
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
