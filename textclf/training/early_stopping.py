"""When a fit ends before its last epoch: the loss has not become better for as many epochs as there is patience for."""

import math
from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """The losses of a fit so far, in as much as they decide when it ends.

    Attributes:
        patience: Epochs without a better loss after which a fit ends; None for all epochs.
        best: Lowest loss so far.
        since: Epochs since that one.

    Example:
        >>> stopping = EarlyStopping(patience=2)
        >>> [(stopping.add(loss), stopping.due) for loss in (0.9, 0.7, 0.7, 0.8)]
        [(True, False), (True, False), (False, False), (False, True)]
    """

    patience: int | None
    best: float = math.inf
    since: int = 0

    def add(self, loss: float) -> bool:
        """Take the loss after one more epoch; whether it is the best so far. Not a number is never better."""
        better = loss < self.best
        self.best, self.since = (loss, 0) if better else (self.best, self.since + 1)
        return better

    @property
    def due(self) -> bool:
        """Whether the fit ends here."""
        return self.patience is not None and self.since >= self.patience
