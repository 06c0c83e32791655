"""Whether a job's work is short, which is known before Spark starts where the input is on this machine and small.

The driver's JVM then runs without Java's second compiler and with the serial collector: both pay off only when the JVM
lives for minutes. Where the input is large, or its size is not known without Spark, Java's own choices stay.
"""

import argparse
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date

from textclf.common.file_systems import is_url, on_default_storage
from textclf.config import Pipeline, Source
from textclf.errors import TextclfError
from textclf.storage.files.folder_walk import no_data
from textclf.storage.files.listing import local_matches
from textclf.storage.warehouse import Warehouse, absolute

InputSize = Callable[[argparse.Namespace, Pipeline], int | None]
"""Estimates the bytes of text that a job reads, before Spark starts; None if they are not known."""
MOST = 64 << 20
"""Largest input of short work, in bytes of plain text."""
_MOST_FILES = 2000  # looked at: a walk through more would cost what it is meant to save
_PACKED = 4  # bytes of text in a byte of Parquet or of a compressed file
_PLAIN = (".txt", ".tsv", ".csv", ".json", ".jsonl")


def is_short(size: int | None) -> bool:
    """Whether work on an input of this size is short.

    Args:
        size: Bytes of text; None if they are not known.
    """
    return size is not None and size <= MOST


def sources_size(sources: Iterable[Source]) -> int | None:
    """Estimate the bytes of text that an ingest of these sources reads.

    Returns:
        Bytes; None if they are not on this machine, or too many files to look at.
    """
    return _total(source.path for source in sources)


def size_of_tables(*names: str) -> InputSize:
    """Return the size of a job's input that is tables of the warehouse: the bytes of all files in their folders."""

    def size(args: argparse.Namespace, pipeline: Pipeline) -> int | None:  # noqa: ARG001
        if pipeline.warehouse is None:
            return None
        warehouse = Warehouse.of(pipeline)
        return _total(str(warehouse.location(name)) for name in names)

    return size


def input_size(given: str | None, column: str | None, day: date | None) -> int | None:
    """Estimate the bytes of text in a table to score, or in a day of it where each day has a folder.

    Args:
        given: Path, URL or name in the catalog.
        column: Name of the date column.
        day: The day that is scored; None for the whole table.

    Returns:
        Bytes; None if the table is not on this machine, or has too many files to look at.
    """
    if given is None or is_url(given) or not os.path.exists(given):
        return None
    folder = os.path.join(given, f"{column}={day}")
    return _total([folder if day is not None and os.path.isdir(folder) else given])


def chain_size(pipeline: Pipeline, days: Iterable[date | None]) -> int | None:
    """Estimate the bytes of text that a chain of steps reads: the sources' files and what is scored.

    Args:
        pipeline: Pipeline file.
        days: Days that are scored; None for the whole table.

    Returns:
        Bytes; None if those of a part are not known.
    """
    score = pipeline.score
    sizes = [sources_size(pipeline.sources), *(input_size(score.input, score.date, day) for day in days)]
    return None if any(size is None for size in sizes) else sum(filter(None, sizes))


def _total(places: Iterable[str]) -> int | None:
    total = looked_at = 0
    with suppress(OSError, TextclfError):
        for place in map(on_default_storage, places):
            if is_url(place):
                return None
            for size in _sizes(place):
                total, looked_at = total + size, looked_at + 1
                if total > MOST or looked_at > _MOST_FILES:
                    return None
        return total
    return None  # the job says what is wrong


def _sizes(place: str) -> Iterator[int]:
    """Yield the estimated bytes of text in each file at a path, in a folder or that a pattern matches."""
    location = absolute(place)
    for root in [location] if os.path.exists(location) else local_matches(location):
        if not os.path.isdir(root):
            yield _text(root)
            continue
        for folder, inner, files in os.walk(root):
            inner[:] = [name for name in inner if not no_data(name)]
            yield from (_text(os.path.join(folder, name)) for name in files if not no_data(name))


def _text(path: str) -> int:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # a FIFO or a device has no size
        return MOST + 1
    return status.st_size * (1 if os.path.splitext(path)[1].lower() in _PLAIN else _PACKED)
