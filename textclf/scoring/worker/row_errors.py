"""Unexpected errors of single rows: such a row becomes a reject, and its neighbours are still scored."""

import sys
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from pyspark.errors import PySparkException

from textclf.errors import TextclfError, place_of
from textclf.scoring.worker.batch import UNREADABLE, Wanted, score_batch, unscored
from textclf.scoring.worker.kernel_report import FIRST_ERROR
from textclf.scoring.worker.models import Models

MOST_ROWS = 1000
"""Most unreadable rows of one task. With more, the model or the machine is at fault, not a row, and the task fails."""
_LONGEST = 4000  # characters of an error that are sent to the driver, which masks them and then shortens
NO_ROW = (MemoryError, OSError, ImportError, TextclfError, PySparkException)
"""Errors that are not about a row: another attempt, or a repaired machine, may succeed."""


class Rows(Protocol):
    """Rows in columns that can be sliced."""

    def __len__(self) -> int: ...
    def slice(self, offset: int, length: int) -> Any: ...


R = TypeVar("R", bound=Rows)
A = TypeVar("A")


class Net:
    """Catches rows of one task whose scoring or conversion raises.

    There is no cost until a row raises. Then its batch is halved until the row is alone.
    """

    def __init__(self, models: Models, wanted: Wanted) -> None:
        self._models, self._wanted = models, wanted
        self._caught = 0

    def score(self, texts: pa.Array, keys: pa.Array | None) -> pa.StructArray:
        """Call ``score_batch``, and mark rows that it cannot score as ``UNREADABLE``."""
        columns = {"text": texts} if keys is None else {"text": texts, "key": keys}

        def scored(rows: pa.RecordBatch) -> pa.StructArray:
            keys = rows.column("key") if "key" in columns else None
            return score_batch(rows.column("text"), keys, self._models, self._wanted)

        def nothing(rows: pa.RecordBatch) -> pa.StructArray:
            return unscored(len(rows), UNREADABLE, self._wanted)

        parts = self.each(pa.record_batch(columns), scored, nothing)
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)

    def each(self, rows: R, convert: Callable[[R], A], otherwise: Callable[[R], A]) -> list[A]:
        """Convert the rows, in one part or in several, in order.

        Args:
            rows: The rows.
            convert: Function from rows to their result.
            otherwise: Function from a single row, for which ``convert`` raises, to the result in its place.

        Raises:
            Exception: ``convert`` raised an error that is not about a row.
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
        """Count an unreadable row, and report the first one to the driver."""
        self._caught += 1
        if self._caught > MOST_ROWS:
            raise error
        if self._caught == 1:
            kind, place = type(error).__name__, f"({place_of(error)})"
            # The message may contain a secret, and a worker does not know which values to mask.
            sys.stderr.write(f"textclf: a row cannot be scored: {kind} {place}\n")
            if self._models.fallbacks is not None:
                self._models.fallbacks.add({FIRST_ERROR: f"{kind}: {error}"[:_LONGEST] + f"\n{place}"})


def _no_room(error: Exception) -> bool:
    from textclf.inference.keras_scorer import out_of_memory  # rarely needed, and never for compiled models

    return out_of_memory(error)
