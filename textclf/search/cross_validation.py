"""Division of a source's rows into folds, the same for all candidates."""

import numpy as np

from textclf.common.arrays import Int32, Int64
from textclf.errors import InputError


def fold_numbers(labels: Int32, folds: int, seed: int) -> Int64:
    """Assign each row to the fold that holds it out, shape (n,); -1 for the only row of a label, which always trains.

    Rows of each label are shuffled and dealt to the folds in turn; the next label goes on where the last one ended.
    So each fold has each label's share to within one row, and the sizes of folds differ by one row at most.
    scikit-learn's StratifiedKFold does not promise the second, and would let a fold train without a rare label.

    Example:
        >>> fold_numbers(np.array([0, 0, 0, 0, 1, 1, 2], np.int32), 2, seed=1).tolist()
        [0, 1, 1, 0, 0, 1, -1]
    """
    found = np.full(len(labels), -1, np.int64)
    generator = np.random.default_rng([seed, folds])
    dealt = 0
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) > 1:
            found[generator.permutation(rows)] = (dealt + np.arange(len(rows))) % folds
            dealt += len(rows)
    return found


def check_rows(labels: Int32, folds: int, seed: int, nested: int | None, source: str) -> None:
    """Refuse a number of folds that would leave one of them without held-out rows.

    Args:
        labels: Label numbers of all training rows of the source.
        nested: Number of outer folds; None without nested cross-validation.
        source: Name of the source, for the message.

    Raises:
        InputError: There are fewer rows to hold out than folds.
    """
    parts = [(labels, folds, "")]
    if nested is not None:
        outer = fold_numbers(labels, nested, seed + 1)
        parts.append((labels, nested, " outer"))
        parts += [(labels[outer != number], folds, " inner") for number in range(nested)]
    for rows, wanted, which in parts:
        _, counts = np.unique(rows, return_counts=True)
        alone = int(np.sum(counts == 1))
        if len(rows) - alone < wanted:
            only = f", of which {alone} always train, as the only row of their label" if alone else ""
            raise InputError(
                f"Source {source}: {len(rows)} training rows are too few for {wanted}{which} folds.",
                received=f"{len(rows)} training rows{only}",
                expected=f"at least {wanted} rows to hold out, one a fold",
                fix="set a smaller [search] folds (or nested), at least 2, or ingest more rows",
            )


def partition(
    labels: Int32, folds: int, seed: int, fold: int | None, nested: int | None, outer: int | None
) -> tuple[Int64, Int64]:
    """Split rows into those to train on and those held out; both are row numbers in rising order.

    Args:
        labels: Label numbers of all training rows of the source.
        fold: Fold that is held out; None holds out the outer fold alone.
        nested: Number of outer folds; None without nested cross-validation.
        outer: Outer fold that is taken away first; None outside a nested cross-validation.
    """
    rows = np.arange(len(labels))
    if nested is not None and outer is not None:
        outside = fold_numbers(labels, nested, seed + 1) == outer
        if fold is None:
            return rows[~outside], rows[outside]
        rows = rows[~outside]
    if fold is None:
        return rows, rows[:0]
    held = fold_numbers(labels[rows], folds, seed) == fold
    return rows[~held], rows[held]
