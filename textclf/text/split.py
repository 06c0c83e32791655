"""The split of labelled rows into training rows and test rows.

``permutation`` splits as scikit-learn's ``train_test_split`` does, and in the same order: of
``RandomState(seed).permutation(n)`` with n rows, the first ``ceil(test_size * n)`` are test rows. ``hash`` depends only
on each row's file and number; its order is that of files and records.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from textclf.common.arrays import Bool, Int64
from textclf.config import Split
from textclf.errors import InputError
from textclf.storage.queries.adaptive_execution import in_one_job

MOST_IN_THE_PLAN = 200
"""Largest number of files whose names are literals of a plan; more are joined, which is a Spark job more."""
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # splitmix64, Steele et al., OOPSLA 2014


@dataclass(frozen=True, eq=False)
class FileRows:
    """The accepted rows of one file.

    Attributes:
        base: Rank of the file's record 0, which is the number of rows of its source in earlier files.
        after: Position of each row that follows a gap in the record numbers, ascending.
        missing: Record numbers missing before each of these rows, over all earlier gaps.
    """

    base: int
    after: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    missing: Int64 = field(default_factory=lambda: np.empty(0, np.int64))

    def ranks(self, positions: Int64) -> Int64:
        """Return the number of rows of the source before each position, shape (n,)."""
        gaps = np.searchsorted(self.after, positions, side="right")
        missing: Int64 = np.append(0, self.missing)[gaps]
        return self.base + positions - missing


@dataclass(frozen=True, eq=False)
class SourceSplit:
    """The split of one source, small enough to be sent to every worker.

    Attributes:
        settings: Section ``[split]`` of the pipeline file.
        rows: Number of accepted rows of the source.
        test_rows: Number of test rows.
        files: Rows of each file, by name, in the order of the names.
    """

    settings: Split
    rows: int
    test_rows: int
    files: Mapping[str, FileRows]

    @property
    def training_rows(self) -> int:
        """Number of training rows."""
        return self.rows - self.test_rows

    def assign(self, file: str, positions: Int64) -> tuple[Bool, Int64]:
        """Assign each row of a file to training or test.

        Args:
            file: Name of the file within the source.
            positions: Numbers of accepted records, shape (n,).

        Returns:
            Whether each row is a test row, and its place among the training or test rows, each of shape (n,). Sorting
            by the place gives the split's own order.

        Raises:
            InputError: The file did not exist when the split was planned.
        """
        if file not in self.files:
            raise InputError(
                "The split does not contain this file.",
                received=file,
                expected=f"one of the {len(self.files)} files from which the split was planned",
                fix="run the job again when no other job writes to the corpus",
            )
        ranks = self.files[file].ranks(positions)
        if self.settings.method == "hash":
            # test_size is below 1, so the product, exact in a float, is below 2**64.
            return _mixed(positions, file, self.settings.seed) < np.uint64(self.settings.test_size * 2**64), ranks
        places = _places(self.rows, self.settings.seed)[ranks]
        is_test = places < self.test_rows
        return is_test, np.where(is_test, places, places - self.test_rows)


def assign_rows(
    splits: Mapping[str, SourceSplit], sources: pa.Array, files: pa.Array, positions: pa.Array
) -> tuple[Bool, Int64]:
    """Call ``SourceSplit.assign`` for rows of any sources and files.

    Args:
        splits: Split of each source, by name.
        sources: Source of each row, shape (n,).
        files: File of each row, shape (n,).
        positions: Record number of each row, shape (n,).

    Returns:
        Whether each row is a test row, and its place among the training or test rows, each of shape (n,).
    """
    numbers = positions.to_numpy()
    is_test, order = np.empty(len(numbers), np.bool_), np.empty(len(numbers), np.int64)
    sources, files = sources.dictionary_encode(), files.dictionary_encode()
    pairs = sources.indices.to_numpy().astype(np.int64) * len(files.dictionary) + files.indices.to_numpy()
    by_pair = np.argsort(pairs, kind="stable")
    found, begins = np.unique(pairs[by_pair], return_index=True)
    for pair, ours in zip(found, np.split(by_pair, begins[1:]), strict=False):
        source, file = divmod(int(pair), len(files.dictionary))
        split = splits[sources.dictionary[source].as_py()]
        is_test[ours], order[ours] = split.assign(files.dictionary[file].as_py(), numbers[ours])
    return is_test, order


@lru_cache(maxsize=16)
def _places(rows: int, seed: int) -> Int64:
    """Compute the place of each row in the permutation; every process computes it itself."""
    permutation = np.random.RandomState(seed).permutation(rows)
    places = np.empty(rows, np.int64)
    places[permutation] = np.arange(rows)
    return places


def _mixed(positions: Int64, file: str, seed: int) -> npt.NDArray[np.uint64]:
    """Hash each row to 64 well-mixed bits, the same in every process."""
    start = hashlib.sha256(f"{seed}\0{file}".encode()).digest()[:8]
    gamma, first, second = map(np.uint64, _MIX)
    bits = np.uint64(int.from_bytes(start, "little")) + positions.astype(np.uint64) * gamma
    bits = (bits ^ (bits >> np.uint64(30))) * first
    bits = (bits ^ (bits >> np.uint64(27))) * second
    return bits ^ (bits >> np.uint64(31))


def plan_splits(corpus: DataFrame, split: Split, names: Sequence[str] = ()) -> dict[str, SourceSplit]:
    """Plan the split of every source in ``corpus``, from counts and gaps alone: no row is collected on the driver.

    Args:
        corpus: Accepted rows with the columns source, file and position. Rejected records leave gaps in the positions.
        split: Section ``[split]``: the method and its settings.
        names: Sources that must be present.

    Raises:
        InputError: One of ``names`` has no rows, a source has too few rows for training and test, or a record number
            occurs twice in a file.
    """
    splits = find_splits(corpus, split, names)
    for source, made in splits.items():
        check_split(source, made)
    return splits


def find_splits(corpus: DataFrame, split: Split, names: Sequence[str] = ()) -> dict[str, SourceSplit]:
    """Like ``plan_splits``, but include sources with too few rows for training and test; see ``check_split``.

    Raises:
        InputError: One of ``names`` has no rows, or a record number occurs twice in a file.
    """
    counts = F.count("*").alias("rows"), F.max("position").alias("last")
    found = in_one_job(corpus.groupBy("source", "file").agg(*counts)).collect()
    files = sorted((row["source"], row["file"], row["rows"], row["last"]) for row in found)
    _check_present(names, {source for source, *_ in files})
    # With hash, ranks are not needed for the order: record numbers, even with gaps, ascend from file to file.
    holed = [(source, file) for source, file, rows, last in files if rows != last + 1]
    splits = _splits(split, files, _gaps(corpus, holed) if split.method == "permutation" else {})
    if split.method == "hash":
        tested = _count_tested(corpus, splits)
        splits = {source: replace(made, test_rows=tested[source]) for source, made in splits.items()}
    return splits


def splits_of(rows: pa.Table, split: Split, names: Sequence[str]) -> dict[str, SourceSplit]:
    """Plan the split of each source as ``plan_splits`` does, from rows that this process holds.

    Args:
        rows: Accepted rows with the columns source, file and position.
        split: Section ``[split]``.
        names: The sources, which must be present.

    Raises:
        InputError: As of ``plan_splits``.
    """
    rows = rows.select(["source", "file", "position"])
    ours = {name: rows.filter(pc.equal(rows["source"], name)) for name in names}
    _check_present(names, {name for name, found in ours.items() if len(found)})
    return {name: split_of(name, found["file"], found["position"], split) for name, found in ours.items()}


def split_of(source: str, files: pa.ChunkedArray, positions: pa.ChunkedArray, split: Split) -> SourceSplit:
    """Plan the split of one source as ``plan_splits`` does, from rows that this process holds.

    Args:
        source: Name of the source.
        files: File of each of its rows, shape (n,).
        positions: Record number of each row, shape (n,).
        split: Section ``[split]``.

    Raises:
        InputError: The source has no rows, too few for training and test, or a record number twice in a file.
    """
    _check_present([source], {source} if len(files) else set())
    encoded, numbers = files.dictionary_encode().combine_chunks(), positions.to_numpy()
    codes = encoded.indices.to_numpy()
    order = np.lexsort((numbers, codes))
    begins = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    spans, gaps = [], {}
    for code, file in enumerate(encoded.dictionary.to_pylist()):
        ours = numbers[order[begins[code] : begins[code + 1]]]
        spans.append((source, file, len(ours), int(ours[-1])))
        missing = np.diff(ours, prepend=-1) - 1
        if split.method == "permutation" and missing.any():
            _check_once(source, file, ours[missing < 0])
            gaps[source, file] = ours[missing > 0], np.cumsum(missing[missing > 0])
    made = _splits(split, sorted(spans), gaps)[source]
    if split.method == "hash":
        is_test, _ = assign_rows({source: made}, pa.repeat(source, len(files)), encoded, positions.combine_chunks())
        made = replace(made, test_rows=int(is_test.sum()))
    check_split(source, made)
    return made


def _splits(
    split: Split,
    files: Sequence[tuple[str, str, int, int]],
    gaps: Mapping[tuple[str, str], tuple[Int64, Int64]],
) -> dict[str, SourceSplit]:
    """Make the split of each source; with ``hash``, the number of test rows is not known yet.

    Args:
        split: Section ``[split]``.
        files: Source, name, number of rows and last record number of each file, sorted.
        gaps: Gaps in the record numbers by source and file.
    """
    ranked = split.method == "permutation"
    by_source = _file_rows([(source, file, rows if ranked else last + 1) for source, file, rows, last in files], gaps)
    rows_of: dict[str, int] = {}
    for source, _, rows, _ in files:
        rows_of[source] = rows_of.get(source, 0) + rows
    return {
        source: SourceSplit(split, rows_of[source], math.ceil(split.test_size * rows_of[source]), made)
        for source, made in by_source.items()
    }


def _file_rows(
    spans: Sequence[tuple[str, str, int]], gaps: Mapping[tuple[str, str], tuple[Int64, Int64]]
) -> dict[str, dict[str, FileRows]]:
    """Return each source's files with their ranks; ``spans`` are sorted and say how many ranks each file takes."""
    by_source: dict[str, dict[str, FileRows]] = {}
    base = 0
    for source, file, span in spans:
        if source not in by_source:
            base = 0
        by_source.setdefault(source, {})[file] = FileRows(base, *gaps.get((source, file), ()))
        base += span
    return by_source


def _gaps(corpus: DataFrame, files: list[tuple[str, str]]) -> dict[tuple[str, str], tuple[Int64, Int64]]:
    """Find the gaps in some files: positions after a gap, and how many numbers are missing before them."""
    if not files:
        return {}
    order = Window.partitionBy("source", "file").orderBy("position")
    before = F.lag("position", 1, -1).over(order)
    if len(files) <= MOST_IN_THE_PLAN:  # no name holds a NUL
        holed = corpus.where(F.concat("source", F.lit("\0"), "file").isin(["\0".join(pair) for pair in files]))
    else:
        wanted = corpus.sparkSession.createDataFrame(files, "source string, file string")
        holed = corpus.join(F.broadcast(wanted), ["source", "file"])
    numbered = holed.select("source", "file", "position", (F.col("position") - before - 1).alias("missing"))
    rows = in_one_job(numbered.where("missing != 0")).collect()
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in rows:
        if row["missing"] < 0:
            _check_once(row["source"], row["file"], [row["position"]])
        found.setdefault((row["source"], row["file"]), []).append((row["position"], row["missing"]))
    gaps = {}
    for key, pairs in found.items():
        after, missing = np.array(sorted(pairs), np.int64).T
        gaps[key] = (after, np.cumsum(missing))
    return gaps


def _check_once(source: str, file: str, repeated: Sequence[int] | Int64) -> None:
    if len(repeated):
        raise InputError(
            f"Source {source} has a record twice.",
            received=f"position {repeated[0]} of {file} more than once",
            expected="each position of a file only once",
            fix="run ingest_corpus for this source again",
        )


def _count_tested(corpus: DataFrame, splits: Mapping[str, SourceSplit]) -> dict[str, int]:
    """Count the rows of each source whose hash makes them test rows."""

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            is_test, _ = assign_rows(splits, *batch.columns)
            counted = pa.table({"source": batch.column(0), "tested": pa.array(is_test.astype(np.int64))})
            sums = counted.group_by("source").aggregate([("tested", "sum")])
            yield from sums.select(["source", "tested_sum"]).rename_columns(["source", "tested"]).to_batches()

    rows = corpus.select("source", "file", "position").mapInArrow(count, "source string, tested long")
    sums = in_one_job(rows.groupBy("source").agg(F.sum("tested").alias("tested"))).collect()
    return {row["source"]: row["tested"] for row in sums}


def _check_present(names: Sequence[str], present: set[str]) -> None:
    if missing := [name for name in names if name not in present]:
        raise InputError(
            f"The corpus has no rows of {len(missing)} of the requested sources.",
            received=f"no rows of {', '.join(missing)}",
            expected="accepted rows in the table corpus",
            fix="run the job ingest_corpus first; if it refused a delivery, correct that, or name the other sources "
            "with --source",
        )


def check_split(source: str, split: SourceSplit) -> None:
    """Check that a split has both training rows and test rows.

    Raises:
        InputError: There are no training rows or no test rows.
    """
    if split.test_rows < 1 or split.training_rows < 1:
        raise InputError(
            f"Source {source} has too few rows to split.",
            received=f"{split.rows} accepted rows, of which test_size {split.settings.test_size} "
            f"makes {split.test_rows} test rows",
            expected="at least one training row and one test row",
            fix="look at corpus_rejects, or change [split] test_size",
        )
