"""Behind the list of reasons a net: a row that nobody foresaw is a reject, and its neighbours are scored."""

import sys
import traceback
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from pyspark.errors import PySparkException

from textclf.errors import TextclfError
from textclf.scoring.worker.batch import UNREADABLE, Wanted, score_batch, unscored
from textclf.scoring.worker.kernel_report import FIRST_ERROR
from textclf.scoring.worker.models import Models

MOST_ROWS = 1000
"""Unreadable rows of one task: with more, what is wrong is no row but the model or the machine, and the task fails."""
_LONGEST = 4000  # characters of an error that the driver is told: it masks them, then cuts
NO_ROW = (MemoryError, OSError, ImportError, TextclfError, PySparkException)
"""Errors that say nothing of a row: another attempt, or somebody who mends the machine, may do better."""


class Rows(Protocol):
    """Some rows in columns, of which a part can be taken."""

    def __len__(self) -> int: ...
    def slice(self, offset: int, length: int) -> Any: ...


R = TypeVar("R", bound=Rows)
A = TypeVar("A")


class Net:
    """Catches rows of one task whose scoring or conversion raises.

    Rows cost nothing until one raises: then its batch is cut in halves until the row is alone.
    """

    def __init__(self, models: Models, wanted: Wanted) -> None:
        self._models, self._wanted = models, wanted
        self._caught = 0

    def score(self, texts: pa.Array, keys: pa.Array | None) -> pa.StructArray:
        """``score_batch``, with ``UNREADABLE`` for rows that it cannot score."""
        columns = {"text": texts} if keys is None else {"text": texts, "key": keys}

        def scored(rows: pa.RecordBatch) -> pa.StructArray:
            keys = rows.column("key") if "key" in columns else None
            return score_batch(rows.column("text"), keys, self._models, self._wanted)

        def nothing(rows: pa.RecordBatch) -> pa.StructArray:
            return unscored(len(rows), UNREADABLE, self._wanted)

        parts = self.each(pa.record_batch(columns), scored, nothing)
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)

    def each(self, rows: R, convert: Callable[[R], A], otherwise: Callable[[R], A]) -> list[A]:
        """What ``convert`` makes of the rows, in one part or in several in their order.

        Args:
            otherwise: What takes the place of a row that ``convert`` raises for, alone.

        Raises:
            Exception: What ``convert`` raised, where that is no matter of rows.
        """
        try:
            return [convert(rows)]
        except NO_ROW:
            raise
        except Exception as error:
            if _no_room(error) or not len(rows):
                raise
            if len(rows) == 1:
                self._catch(error)
                return [otherwise(rows)]
        half = len(rows) // 2
        parts = self.each(rows.slice(0, half), convert, otherwise)
        return parts + self.each(rows.slice(half, len(rows) - half), convert, otherwise)

    def _catch(self, error: Exception) -> None:
        """Count a row, and tell the driver of the first one."""
        self._caught += 1
        if self._caught > MOST_ROWS:
            raise error
        if self._caught == 1:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            kind, place = type(error).__name__, f"({frame.filename.rpartition('/')[2]}:{frame.lineno})"
            # What it says may hold a secret, and no worker knows those.
            sys.stderr.write(f"textclf: a row cannot be scored: {kind} {place}\n")
            if self._models.fallbacks is not None:
                self._models.fallbacks.add({FIRST_ERROR: f"{kind}: {error}"[:_LONGEST] + f"\n{place}"})


def _no_room(error: Exception) -> bool:
    from textclf.inference.keras_scorer import out_of_memory  # rarely needed, and never for compiled models

    return out_of_memory(error)
