"""Which labelled rows train and which test.

``permutation`` gives the rows of scikit-learn's ``train_test_split``, in its order: with n rows,
``RandomState(seed).permutation(n)``, the first ``ceil(test_size * n)`` of it to test. ``hash`` looks at each
row's file and number alone.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from textclf.config import Split
from textclf.errors import InputError

Ints = npt.NDArray[np.int64]
_FILE_BITS = 40  # a file holds fewer than 2**40 records
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # splitmix64, Steele et al., OOPSLA 2014


@dataclass(frozen=True)
class FileRows:
    """The accepted rows of one file.

    Attributes:
        number: Place of the file among its source's files, by name.
        base: Accepted rows in the files before it.
        after: Position of each row that follows a gap in the numbers, rising.
        missing: Numbers missing before that row, all gaps so far counted.
    """

    number: int
    base: int
    after: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    missing: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def ranks(self, positions: Ints) -> Ints:
        """Accepted rows of the source before each position, shape (n,)."""
        gaps = np.searchsorted(self.after, positions, side="right")
        return self.base + positions - np.append(0, self.missing)[gaps]


@dataclass(frozen=True)
class SourceSplit:
    """The split of one source; small enough to go to every worker."""

    settings: Split
    rows: int
    files: Mapping[str, FileRows]

    def assign(self, file: str, positions: Ints) -> tuple[npt.NDArray[np.bool_], Ints]:
        """Whether each row of a file is a test row, and its place among the rows of its side.

        Args:
            file: Name of the file within the source.
            positions: Numbers of accepted records, shape (n,).

        Returns:
            Two arrays of shape (n,); sorting a side's rows by the second gives the split's own order.
        """
        rows = self.files[file]
        if self.settings.method == "hash":
            mixed = _mixed(positions, file, self.settings.seed)
            is_test = mixed < np.uint64(self.settings.test_size * 2**64)
            return is_test, (np.int64(rows.number) << _FILE_BITS) + positions
        place = _places(self.rows, self.settings.seed)[rows.ranks(positions)]
        is_test = place < self.test_rows
        return is_test, np.where(is_test, place, place - self.test_rows)

    @property
    def test_rows(self) -> int:
        """Number of test rows of a permutation."""
        return math.ceil(self.settings.test_size * self.rows)


@lru_cache(maxsize=16)
def _places(rows: int, seed: int) -> Ints:
    """Place of each row in the permutation: computed where it is needed, never shipped."""
    permutation = np.random.RandomState(seed).permutation(rows)
    places = np.empty(rows, np.int64)
    places[permutation] = np.arange(rows)
    return places


def _mixed(positions: Ints, file: str, seed: int) -> npt.NDArray[np.uint64]:
    """64 well-mixed bits of each row."""
    start = hashlib.sha256(f"{seed}\0{file}".encode()).digest()[:8]
    gamma, first, second = map(np.uint64, _MIX)
    bits = np.uint64(int.from_bytes(start, "little")) + positions.astype(np.uint64) * gamma
    bits = (bits ^ (bits >> np.uint64(30))) * first
    bits = (bits ^ (bits >> np.uint64(27))) * second
    return bits ^ (bits >> np.uint64(31))


def plan_splits(corpus: DataFrame, split: Split) -> dict[str, SourceSplit]:
    """The split of every source in ``corpus``, from counts alone.

    Args:
        corpus: Columns source, file, position of accepted rows. Refused records leave gaps in the numbers.

    Raises:
        InputError: A source has too few rows for both sides.
    """
    keys = ["source", "file"]
    found = corpus.groupBy(*keys).agg(F.count("*").alias("rows"), F.max("position").alias("last")).collect()
    files = sorted((row["source"], row["file"], row["rows"], row["last"]) for row in found)
    gappy = [(source, file) for source, file, rows, last in files if rows <= last]
    gaps = _gaps(corpus, gappy) if gappy and split.method == "permutation" else {}
    by_source: dict[str, dict[str, FileRows]] = {}
    rows_of: dict[str, int] = {}
    for source, file, rows, _ in files:
        seen = by_source.setdefault(source, {})
        seen[file] = FileRows(len(seen), rows_of.get(source, 0), *gaps.get((source, file), ()))
        rows_of[source] = rows_of.get(source, 0) + rows
    splits = {source: SourceSplit(split, rows_of[source], seen) for source, seen in by_source.items()}
    for source, made in splits.items():
        if made.rows - made.test_rows < 1:
            raise InputError(
                f"Source {source} has too few rows to split.",
                received=f"{made.rows} accepted rows, test_size {split.test_size}",
                expected="at least one training row and one test row",
                fix="look into corpus_rejects, or lower [split] test_size",
            )
    return splits


def _gaps(corpus: DataFrame, files: list[tuple[str, str]]) -> dict[tuple[str, str], tuple[Ints, Ints]]:
    """Gaps of those files: positions after a gap, and the numbers missing before them."""
    wanted = corpus.sparkSession.createDataFrame(files, "source string, file string")
    order = Window.partitionBy("source", "file").orderBy("position")
    before = F.lag("position", 1, -1).over(order)
    rows = (
        corpus.join(F.broadcast(wanted), ["source", "file"])
        .select("source", "file", "position", (F.col("position") - before - 1).alias("missing"))
        .where("missing > 0")
        .collect()
    )
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in rows:
        found.setdefault((row["source"], row["file"]), []).append((row["position"], row["missing"]))
    gaps = {}
    for key, pairs in found.items():
        after, missing = np.array(sorted(pairs), np.int64).T
        gaps[key] = (after, np.cumsum(missing))
    return gaps
