"""When a fit ends before its last epoch: the loss has not become better for as many epochs as there is patience for."""

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """The losses of a fit so far, in as much as they decide when it ends.

    Attributes:
        patience: Epochs without a better loss after which a fit ends; None for all epochs.
        best: Lowest loss so far; the first where that is not a number, since no loss is lower. None before it.
        since: Epochs since that one.

    Example:
        >>> stopping = EarlyStopping(patience=2)
        >>> [(stopping.add(loss), stopping.due) for loss in (0.9, 0.7, 0.7, 0.8)]
        [(True, False), (True, False), (False, False), (False, True)]
    """

    patience: int | None
    best: float | None = None
    since: int = 0

    def add(self, loss: float) -> bool:
        """Take the loss after one more epoch; whether it is the best so far."""
        better = self.best is None or loss < self.best
        self.best, self.since = (loss, 0) if better else (self.best, self.since + 1)
        return better

    @property
    def due(self) -> bool:
        """Whether the fit ends here."""
        return self.patience is not None and self.since >= self.patience
