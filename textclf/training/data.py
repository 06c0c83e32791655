"""Labelled rows of a source, split into training rows and test rows."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from textclf.common.arrays import Bool, Int32, Int64
from textclf.config import Source
from textclf.corpus.corpus_rows import CorpusRows
from textclf.errors import InputError
from textclf.runs.workspace import Workspace
from textclf.storage.queries.adaptive_execution import in_one_job
from textclf.text.split import SourceSplit, assign_rows, split_of

_NAMED = 20  # labels that a warning names
_DIGESTED = ("file", "label", "position", "source", "text")
"""Columns of ``corpus`` in its digest, in this order. Columns added later must stay out, to keep the digests."""


@dataclass(frozen=True)
class Rows:
    """Texts and their labels.

    Attributes:
        texts: Texts, shape (n,).
        labels: Index of each text's label, shape (n,); -1 for a label that training rows do not have.
    """

    texts: pa.Array
    labels: Int32

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A source's labels and rows.

    Attributes:
        labels: Labels of the training rows.
        train: Training rows in the split's order.
        test: Test rows in the split's order.
        corpus_digest: Digest of the source's slice of the corpus.
        unseen: Labels that only test rows have, each with its number of rows; the model cannot predict them.
    """

    labels: list[str]
    train: Rows
    test: Rows
    corpus_digest: str
    unseen: dict[str, int] = field(default_factory=dict)


def load_dataset(workspace: Workspace, source: Source) -> Dataset:
    """Read a source's rows from ``corpus``.

    Labels are those of the training rows, in the order of the pipeline file or else sorted: a model cannot learn
    a label that it never sees. Test rows with other labels are kept, and count as wrong.

    Raises:
        InputError: The source has no rows, or its training rows have fewer than two labels.
    """
    rows, hashes = _rows_and_hashes(CorpusRows.of(workspace, [source.name]))
    split = split_of(source.name, rows["file"], rows["position"], workspace.pipeline.split)
    return arrange(rows, {source.name: split}, source, _digest_of(hashes))


def _rows_and_hashes(corpus: CorpusRows) -> tuple[pa.Table, Int64]:
    """Read the rows of a source and the 64-bit xxHash of each; split and digest are computed from what is here."""
    hashed, few = F.xxhash64(*_DIGESTED), corpus.here(*_DIGESTED)
    if few is None:
        rows = corpus.table.select("file", "position", "text", "label", hashed.alias("hash")).toArrow()
        return rows, rows["hash"].to_numpy()
    # Of rows that are in the driver Spark computes the same hashes without a job.
    found = corpus.workspace.spark.createDataFrame(few).select(hashed).collect()
    return few, np.array([row[0] for row in found], np.int64)


def arrange(rows: pa.Table, splits: Mapping[str, SourceSplit], source: Source, digest: str) -> Dataset:
    """Split a source's rows of ``corpus`` into training rows and test rows, in the split's order.

    Args:
        rows: Rows with the columns file, position, text and label.
        splits: Split of each source, by name.
        source: The source.
        digest: Digest of these rows.

    Raises:
        InputError: The training rows have fewer than two labels.
    """
    names = pa.repeat(pa.scalar(source.name), len(rows))
    is_test, order = assign_rows(splits, names, *(rows[name].combine_chunks() for name in ("file", "position")))
    rows = rows.select(["text", "label"]).combine_chunks()
    seen = set(pc.unique(rows["label"].filter(pa.array(~is_test))).to_pylist())
    labels = [label for label in source.labels or sorted(seen) if label in seen]
    if len(labels) < 2:
        raise InputError(
            f"Source {source.name} has too few labels to learn from.",
            received=f"only training rows with the label {', '.join(labels)}",
            expected="training rows of at least two labels",
            fix="check the label column of the source, and corpus_rejects",
        )
    train, test = (_side(rows, side, order, labels) for side in (~is_test, is_test))
    counted = pc.value_counts(rows["label"].filter(pa.array(is_test))).to_pylist()
    unseen = {each["values"]: each["counts"] for each in counted if each["values"] not in seen}
    return Dataset(labels, train, test, digest, dict(sorted(unseen.items())))


def unseen_warning(source: str, unseen: Mapping[str, int], test_rows: int) -> str:
    """Return the warning about labels that only test rows have; empty if there are none.

    Example:
        >>> unseen_warning("yelp", {"mixed": 2}, 10)
        'yelp: 2 of 10 test rows have labels that no training row has, and count as wrong: mixed (2)'
    """
    if not unseen:
        return ""
    shown = [(label if label.isprintable() else repr(label), rows) for label, rows in unseen.items()]
    named = ", ".join(f"{label} ({rows})" for label, rows in shown[:_NAMED])
    more = f" and {len(unseen) - _NAMED} more" if len(unseen) > _NAMED else ""
    return (
        f"{source}: {sum(unseen.values())} of {test_rows} test rows have labels that no training row has, "
        f"and count as wrong: {named}{more}"
    )


def _side(rows: pa.Table, side: Bool, order: Int64, labels: list[str]) -> Rows:
    chosen = np.flatnonzero(side)
    chosen = chosen[np.argsort(order[chosen], kind="stable")]
    taken = rows.take(pa.array(chosen)).combine_chunks()
    numbers = pc.fill_null(pc.index_in(taken["label"], pa.array(labels, pa.string())), -1)
    texts = taken["text"].combine_chunks()
    return Rows(texts, numbers.to_numpy().astype(np.int32))


def corpus_digests(corpus: DataFrame) -> dict[str, str]:
    """Compute a digest of the rows of each source.

    It is the SHA-256 of the number of rows and of the sum and the exclusive or of each row's 64-bit xxHash. It tells
    corpora apart, but does not protect against deliberate collisions.
    """
    row = F.xxhash64(*_DIGESTED)
    figures = F.count("*"), F.sum(row.cast("decimal(38,0)")), F.bit_xor(row)
    found = in_one_job(corpus.groupBy("source").agg(*figures)).collect()
    return {source: _digest(*sums) for source, *sums in found}


def _digest_of(hashes: Int64) -> str:
    """Return the digest of one source, as ``corpus_digests`` computes it, from the 64-bit xxHash of each row."""
    # In two halves: the sum of many hashes needs more than 64 bits.
    total = (int((hashes >> 32).sum()) << 32) + int((hashes & 0xFFFFFFFF).sum())
    return _digest(len(hashes), total, int(np.bitwise_xor.reduce(hashes)))


def _digest(*figures: object) -> str:
    return hashlib.sha256(repr(tuple(map(str, figures))).encode()).hexdigest()
