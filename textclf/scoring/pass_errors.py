"""Errors of a pass: texts that are rejected before workers see them, and messages for failed reads and writes."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import Column
from pyspark.sql import functions as F

from textclf.config import Score
from textclf.errors import InputError, TextclfError
from textclf.scoring.input.source_names import too_many_in
from textclf.spark.failures import READ_FAILURES, failed_reading, no_room
from textclf.storage import Location


def rejected_text(text: Column, score: Score) -> Column:
    """Return the reason to reject a text before a worker sees it, ``oversized_text``; null for all others.

    Texts that are not valid UTF-8 are left to the workers, which find them in a fifth of the time.
    """
    return F.when(F.octet_length(text) > score.max_text_bytes, "oversized_text")


@contextmanager
def explained(place: Location, score: Score, most_sources: int) -> Iterator[None]:
    """Turn Spark's failure of a pass into a textclf error, if the input or full storage is the cause.

    Args:
        place: Location of the input.
        score: Section ``[score]``, whose source column the message names.
        most_sources: Maximum number of sources of the run.

    Raises:
        InputError: A file of the input cannot be read to its end, or there are more sources than ``most_sources``.
        TextclfError: The storage is full.
    """
    try:
        yield
    except READ_FAILURES as error:
        if refusal := too_many_in(error, score.source, most_sources):
            raise refusal from error
        full, received = no_room(error), failed_reading(error)
        if full is not None:
            raise TextclfError(
                "The storage is full, so the scored rows cannot be written; nothing was published.",
                received=full,
                expected="space for the rows of the run in the warehouse, and for Spark's scratch files",
                fix="free space, for instance with the job maintain_tables, then run the job again",
            ) from error
        if received is None:
            raise
        raise InputError(
            "The input cannot be read to its end; nothing was published.",
            received=received,
            expected=f"complete, readable files at {place}",
            fix="write the damaged file again, then run the job again",
        ) from error
