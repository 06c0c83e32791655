"""Sources that come from data: which of them can be a slice, and how many of them one run may have."""

import json
import re
from collections.abc import Iterable, Sequence
from heapq import nsmallest

from pyspark.sql import Column
from pyspark.sql import functions as F

from textclf.config import Score
from textclf.errors import InputError
from textclf.scoring.worker.source_limit import SHOWN, TooManySourcesError

MOST_BYTES = 255
"""Of a folder's name, on the file systems that tables live on."""
NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
"""What the folder of rows without a source is called: no source can be."""
ESCAPED = "".join(map(chr, range(1, 32))) + "\"#%'*/:=?\\\x7f{[]^"
"""What becomes three characters in the name of a partition's folder (Spark's ``ExternalCatalogUtils``)."""
_FREE = MOST_BYTES - len("source=")

_LONGEST = 40  # characters of a source that a message shows


def source_of(value: Column) -> Column:
    """A row's source: null for an empty text, which a folder's name cannot tell from null, and where there is none."""
    text = value.cast("string")
    # A text that is empty would be read back as null; a rerun must find the slice under the same value.
    return F.when(~_unfit(text), F.nullif(text, F.lit("")))


def bad_source(value: Column) -> Column:
    """Whether a value can be no source: its text is no UTF-8, holds NUL, or makes no folder's name of its own."""
    return _unfit(value.cast("string"))


def _unfit(text: Column) -> Column:
    size = F.octet_length(text)
    # Most names are far from the limit, whatever they hold.
    escaped = F.length(text) - F.length(F.translate(text, ESCAPED, ""))
    long = F.when(size * 3 > _FREE, size + 2 * escaped > _FREE).otherwise(F.lit(False))
    return F.coalesce(~F.is_valid_utf8(text) | text.contains("\0") | (text == NULL_FOLDER) | long, F.lit(False))


def most_sources(score: Score, models: int) -> int:
    """How many sources a run may have: the default leaves room for every model."""
    return score.max_sources if "max_sources" in score.model_fields_set else max(score.max_sources, 2 * models)


_TOLD = re.compile(rf"{TooManySourcesError.__name__}: (\{{.*\}})")


def too_many_in(error: BaseException, column: str | None, most: int) -> InputError | None:
    """The error to raise where a worker has met too many sources; None where the error is about something else."""
    told = _TOLD.search(str(error))
    if told is None:
        return None
    found = json.loads(told[1])
    return _refusal(found["found"], found["shown"], column, most, " in one task, which then stopped")


def check_sources(found: Iterable[str | None], column: str | None, most: int) -> None:
    """Refuse a run with more sources than it may have.

    Raises:
        InputError: It has.
    """
    named = {source for source in found if source is not None}
    if len(named) > most:
        raise _refusal(len(named), nsmallest(SHOWN, named), column, most)


def _refusal(number: int, shown: Sequence[str], column: str | None, most: int, where: str = "") -> InputError:
    examples = ", ".join(repr(each if len(each) <= _LONGEST else f"{each[:_LONGEST]}...") for each in shown)
    return InputError(
        "The input has more sources than a run may have; its column of sources is probably another one.",
        received=f"source = {column!r} with {number} sources{where}, such as {examples}",
        expected=f"at most {most} sources (max_sources under [score])",
        fix="set source under [score] to the column that says where each row comes from; raise max_sources only "
        "where each of these is a source: each gets a folder for every day and figures in every run's record",
    )
