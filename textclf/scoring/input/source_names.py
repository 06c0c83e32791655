"""Sources that come from data: which values can name a slice, and how many sources one run may have."""

import json
import re
from collections.abc import Iterable, Sequence
from functools import reduce
from heapq import nsmallest
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F

from textclf.config import Score
from textclf.errors import InputError
from textclf.scoring.worker.source_limit import SHOWN, TooManySourcesError

MOST_BYTES = 255
"""Maximum length of a folder's name on the file systems that tables live on."""
NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
"""Name of the folder of rows without a source, which no source can have."""
ESCAPED = "".join(map(chr, range(1, 32))) + "\"#%'*/:=?\\\x7f{[]^"
"""Characters that take three characters in the name of a partition's folder (Spark's ``ExternalCatalogUtils``)."""
FORBIDDEN = "\0\ufffe\uffff"
"""Characters of which no folder's name can have any: no file system takes the first, and lists of S3 are XML, which
has none of the others (Extensible Markup Language 1.0, section 2.2)."""
_FREE = MOST_BYTES - len("source=")

_LONGEST = 40  # characters of a source that a message shows


def source_of(value: Column) -> Column:
    """Return a row's source: null if the value is null, empty or unfit to be a source."""
    text = value.cast("string")
    # An empty string is read back from a folder's name as null; a rerun must find the slice under the same value.
    return F.when(~_unfit(text), F.nullif(text, F.lit("")))


def bad_source(value: Column) -> Column:
    """Whether a value cannot be a source: its text is not valid UTF-8, or no folder can be named after it."""
    return _unfit(value.cast("string"))


def _unfit(text: Column) -> Column:
    size = F.octet_length(text)
    # Most names are so short that they fit even with every character escaped.
    escaped = F.length(text) - F.length(F.translate(text, ESCAPED, ""))
    long = F.when(size * 3 > _FREE, size + 2 * escaped > _FREE).otherwise(F.lit(False))
    signs = [text.contains(sign) for sign in FORBIDDEN]
    return F.coalesce(reduce(or_, signs, ~F.is_valid_utf8(text) | (text == NULL_FOLDER) | long), F.lit(False))


def most_sources(score: Score, models: int) -> int:
    """Return the maximum number of sources of a run; the default leaves room for every model."""
    return score.max_sources if "max_sources" in score.model_fields_set else max(score.max_sources, 2 * models)


_TOLD = re.compile(rf"{TooManySourcesError.__name__}: (\{{.*\}})")


def too_many_in(error: BaseException, column: str | None, most: int) -> InputError | None:
    """Return the error to raise if a worker has met too many sources; None if the failure is another one."""
    told = _TOLD.search(str(error))
    if told is None:
        return None
    found = json.loads(told[1])
    return _refusal(found["found"], found["shown"], column, most, " in one task, which then stopped")


def check_sources(found: Iterable[str | None], column: str | None, most: int) -> None:
    """Check that a run has at most ``most`` sources.

    Raises:
        InputError: The run has more sources.
    """
    named = {source for source in found if source is not None}
    if len(named) > most:
        raise _refusal(len(named), nsmallest(SHOWN, named), column, most)


def _refusal(number: int, shown: Sequence[str], column: str | None, most: int, where: str = "") -> InputError:
    examples = ", ".join(repr(each if len(each) <= _LONGEST else f"{each[:_LONGEST]}...") for each in shown)
    return InputError(
        "The input has more sources than a run may have; its source column is probably another one.",
        received=f"source = {column!r} with {number} sources{where}, such as {examples}",
        expected=f"at most {most} sources (max_sources under [score])",
        fix="set source under [score] to the column that says where each row comes from; raise max_sources only "
        "where each of these is a source: each gets a folder for every day and figures in every run's record",
    )
