"""``corpus`` into ``tokens`` and ``vocabulary``, on the executors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from textclf.config import Pipeline, Source
from textclf.errors import InputError
from textclf.tables import Warehouse
from textclf.tables.schemas import CORPUS, TOKENS, VOCABULARY
from textclf.text.split import SourceSplit, plan_splits
from textclf.text.tokenizer import tokenize_array
from textclf.text.vocabulary import Vocabulary

_COUNTED = "source string, token string, count long, first_row long, first_place int"
_CHUNK_BYTES = 32 << 20  # of text counted at once: large enough to merge repeats, small enough for any worker

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class VocabularyCounts:
    """Figures of one source's vocabulary; ``words`` are distinct tokens, ``tokens`` all of the training rows."""

    rows: int
    words: int
    tokens: int


def build_vocabulary(
    spark: SparkSession, warehouse: Warehouse, pipeline: Pipeline, sources: Sequence[Source]
) -> dict[str, VocabularyCounts]:
    """Replace the sources' slices of ``tokens`` (all rows) and ``vocabulary`` (counts of training rows).

    Index 1 is the most frequent token. Ties go by first occurrence in the training rows as the split gives
    them, which is what Keras' Tokenizer does when it is fitted on them.

    Raises:
        InputError: No corpus, or none of a source.
    """
    names = [source.name for source in sources]
    corpus = corpus_of(spark, warehouse, names)
    splits = plan_splits(corpus, pipeline.split)
    columns = corpus.select("source", "file", "position", "text")
    warehouse.replace_sources(columns.mapInArrow(_tokenized, TOKENS.schema), TOKENS, names)
    warehouse.replace_sources(_indexed(columns.mapInArrow(_counter(splits), _COUNTED)), VOCABULARY, names)
    rows = (
        warehouse.location(VOCABULARY.name)
        .read(spark)
        .where(F.col("source").isin(names))
        .groupBy("source")
        .agg(F.count("*").alias("words"), F.sum("count").alias("tokens"))
        .collect()
    )
    return {row["source"]: VocabularyCounts(splits[row["source"]].rows, row["words"], row["tokens"]) for row in rows}


def corpus_of(spark: SparkSession, warehouse: Warehouse, names: Sequence[str]) -> DataFrame:
    """The sources' rows of ``corpus``.

    Raises:
        InputError: There is no corpus, or none of a source.
    """
    fix = "run the job ingest_corpus first"
    corpus = warehouse.read(spark, CORPUS, fix=fix).where(F.col("source").isin(list(names)))
    present = {row["source"] for row in corpus.select("source").distinct().collect()}
    if missing := [name for name in names if name not in present]:
        raise InputError(
            "A source has no accepted rows in the corpus.",
            received=", ".join(missing),
            expected=f"rows in {warehouse.location(CORPUS.name)}",
            fix=fix,
        )
    return corpus


def load_vocabulary(spark: SparkSession, warehouse: Warehouse, source: str) -> Vocabulary:
    """A source's vocabulary from the table.

    Raises:
        InputError: The table holds none of that source.
    """
    fix = "run the job build_vocabulary first"
    table = warehouse.read(spark, VOCABULARY, fix=fix).where(F.col("source") == source)
    tokens = [row["token"] for row in table.orderBy("index").select("token").collect()]
    if not tokens:
        raise InputError(f"Source {source} has no vocabulary.", expected=f"rows of {source} in vocabulary", fix=fix)
    return Vocabulary(tuple(tokens))


def _tokenized(batches: Batches) -> Batches:
    for batch in batches:
        source, file, position, text = batch.columns
        yield pa.record_batch([source, file, position, tokenize_array(text)], names=TOKENS.columns)


def _indexed(partial: DataFrame) -> DataFrame:
    """Counts of parts added up, and numbered within each source."""
    counted = partial.groupBy("source", "token").agg(
        F.sum("count").alias("count"), F.min(F.struct("first_row", "first_place")).alias("first")
    )
    order = Window.partitionBy("source").orderBy(F.desc("count"), "first")
    return counted.withColumn("index", F.row_number().over(order))


def _counter(splits: Mapping[str, SourceSplit]) -> Callable[[Batches], Batches]:
    """A function for ``mapInArrow`` from rows of ``corpus`` to counts of the training rows among them."""

    def count(batches: Batches) -> Batches:
        for chunk in _chunks(batches):
            for source in pc.unique(chunk["source"]).to_pylist():
                ours = chunk.filter(pc.equal(chunk["source"], source))
                yield _count(source, splits[source], ours)

    return count


def _chunks(batches: Batches) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= _CHUNK_BYTES:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held)


def _count(source: str, split: SourceSplit, rows: pa.Table) -> pa.RecordBatch:
    """Count and first occurrence of each token of the training rows of one source."""
    order = np.empty(len(rows), np.int64)
    is_test = np.empty(len(rows), np.bool_)
    positions = rows["position"].to_numpy()
    for file in pc.unique(rows["file"]).to_pylist():
        ours = np.flatnonzero(pc.equal(rows["file"], file).to_numpy())
        is_test[ours], order[ours] = split.assign(file, positions[ours])
    training = np.flatnonzero(~is_test)
    training = training[np.argsort(order[training], kind="stable")]
    lists = tokenize_array(rows["text"].combine_chunks().take(pa.array(training)))
    encoded = lists.flatten().dictionary_encode()
    codes = encoded.indices.to_numpy()
    # The dictionary is in order of first occurrence, so a token is new where the running maximum rises.
    first = np.flatnonzero(np.diff(np.maximum.accumulate(codes), prepend=-1)) if len(codes) else codes[:0]
    starts = lists.offsets.to_numpy()
    row = np.searchsorted(starts, first, side="right") - 1
    return pa.record_batch(
        [
            pa.array([source] * len(first), pa.string()),
            encoded.dictionary,
            pa.array(np.bincount(codes, minlength=len(first)), pa.int64()),
            pa.array(order[training][row], pa.int64()),
            pa.array(first - starts[row], pa.int32()),
        ],
        names=["source", "token", "count", "first_row", "first_place"],
    )
