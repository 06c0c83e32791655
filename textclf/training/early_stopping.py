"""Early stopping: end a fit when the loss has not improved for a number of epochs, the patience."""

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """State of early stopping during a fit.

    Attributes:
        patience: Number of epochs without a better loss after which a fit ends; None for all epochs.
        best: Lowest loss so far, None before the first epoch. A first loss that is NaN stays the best, since no loss
            is lower.
        since: Number of epochs since the best one.

    Example:
        >>> stopping = EarlyStopping(patience=2)
        >>> [(stopping.add(loss), stopping.due) for loss in (0.9, 0.7, 0.7, 0.8)]
        [(True, False), (True, False), (False, False), (False, True)]
    """

    patience: int | None
    best: float | None = None
    since: int = 0

    def add(self, loss: float) -> bool:
        """Add the loss of one more epoch; return whether it is the best so far."""
        better = self.best is None or loss < self.best
        self.best, self.since = (loss, 0) if better else (self.best, self.since + 1)
        return better

    @property
    def due(self) -> bool:
        """Whether the fit should end now."""
        return self.patience is not None and self.since >= self.patience
