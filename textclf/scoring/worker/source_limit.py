"""A worker's side of the limit on sources: a task that meets too many ends before it writes anything."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest

SHOWN = 3
"""Sources that a message names."""


class TooManySourcesError(Exception):
    """In a worker: its own rows have more sources than the run may have."""


@dataclass
class SourceLimit:
    """The sources that one task has met.

    Attributes:
        most: How many a run may have; None for any number.
    """

    most: int | None
    seen: set[str] = field(default_factory=set)

    def meet(self, sources: Iterable[str | None]) -> None:
        """Take note of some sources, each once a batch.

        Raises:
            TooManySourcesError: That makes too many; the message is JSON, for ``too_many_in``.
        """
        if self.most is None:
            return
        self.seen.update(source for source in sources if source is not None)
        if len(self.seen) > self.most:
            raise TooManySourcesError(json.dumps({"found": len(self.seen), "shown": nsmallest(SHOWN, self.seen)}))
