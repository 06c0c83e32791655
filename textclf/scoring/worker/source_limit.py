"""The limit on sources in a worker: a task that meets too many sources fails before it writes anything."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest

SHOWN = 3
"""Number of sources that a message names."""


class TooManySourcesError(Exception):
    """The rows of one task have more sources than the run may have."""


@dataclass
class SourceLimit:
    """The sources that one task has met.

    Attributes:
        most: Maximum number of sources of a run; None for any number.
        seen: The sources met so far.
    """

    most: int | None
    seen: set[str] = field(default_factory=set)

    def meet(self, sources: Iterable[str | None]) -> None:
        """Add the distinct sources of a batch.

        Raises:
            TooManySourcesError: There are now too many; the message is JSON, for ``too_many_in``.
        """
        if self.most is None:
            return
        self.seen.update(source for source in sources if source is not None)
        if len(self.seen) > self.most:
            raise TooManySourcesError(json.dumps({"found": len(self.seen), "shown": nsmallest(SHOWN, self.seen)}))
