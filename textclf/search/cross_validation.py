"""Which rows of a source train and which are held out, the same for all candidates."""

import numpy as np

from textclf.common.arrays import Int32, Int64
from textclf.errors import InputError


def fold_numbers(labels: Int32, folds: int, seed: int) -> Int64:
    """The fold that holds each row out, shape (n,); -1 for the only row of a label, which always trains.

    Rows of each label are shuffled and dealt out in turn, on from where the label before ended: each fold has
    each label's share within one row, and folds differ by one row at most. scikit-learn's StratifiedKFold does
    not promise the second, and would let a fold train without a rare label.

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
    """Refuse folds of which one would hold nothing out.

    Args:
        labels: Of all training rows of the source.
        nested: Number of outer folds, None without.
        source: Its name, for the message.

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
    """Rows to train on and rows held out, both rising.

    Args:
        labels: Of all training rows of the source.
        fold: The fold held out; None holds out the outer fold alone.
        nested: Number of outer folds, None without.
        outer: The outer fold that is taken away first, None for none.
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
