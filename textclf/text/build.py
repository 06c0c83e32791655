"""``corpus`` into ``tokens`` and ``vocabulary``, on the executors."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas import functions as arrow_functions

from textclf.config import Pipeline, Source
from textclf.errors import InputError
from textclf.tables import Warehouse
from textclf.tables.schemas import CORPUS, TOKENS, VOCABULARY
from textclf.text.counting import COUNTED, token_counter
from textclf.text.split import SourceSplit, plan_splits
from textclf.text.tokenizer import tokenize_array
from textclf.text.vocabulary import Vocabulary

arrow_udf: Any = arrow_functions.arrow_udf  # its type hints know no nested types


@dataclass(frozen=True)
class VocabularyCounts:
    """Figures of one source's vocabulary; ``words`` are distinct tokens, ``tokens`` all of the training rows."""

    rows: int
    training_rows: int
    test_rows: int
    words: int
    tokens: int


def build_vocabulary(
    spark: SparkSession, warehouse: Warehouse, pipeline: Pipeline, sources: Sequence[Source]
) -> dict[str, VocabularyCounts]:
    """Replace the sources' slices of ``tokens`` (all rows) and ``vocabulary`` (counts of training rows).

    Index 1 is the most frequent token. Ties go by first occurrence in the training rows as the split gives
    them, which is what Keras' Tokenizer does when it is fitted on them.

    Raises:
        InputError: No corpus, none of a source, or too few rows of it to split. No table changed.
    """
    names = [source.name for source in sources]
    corpus = corpus_of(spark, warehouse, names)
    splits = plan_splits(corpus, pipeline.split)
    columns = corpus.select("source", "file", "position", "text")
    # A function of the text alone: everything else stays in the JVM. Deterministic as it is, Spark must not be free
    # to evaluate it twice.
    tokenized = arrow_udf(_tokenized, TOKENS.schema["tokens"].dataType)
    tokens = columns.withColumn("tokens", tokenized.asNondeterministic()("text"))
    counted = columns.mapInArrow(token_counter(splits), COUNTED)
    # Side by side: the driver plans and commits one while the executors work on the other.
    with ThreadPoolExecutor(2) as pool:
        writes = [
            pool.submit(warehouse.replace_sources, rows, spec, names)
            for rows, spec in ((tokens, TOKENS), (_indexed(counted), VOCABULARY))
        ]
    for write in writes:
        write.result()
    return _figures(spark, warehouse, splits)


def corpus_of(spark: SparkSession, warehouse: Warehouse, names: Sequence[str]) -> DataFrame:
    """The sources' rows of ``corpus`` as it is now: an ingest that ends later does not show in them.

    Raises:
        InputError: There is no corpus, or none of a source.
    """
    fix = "run the job ingest_corpus first"
    warehouse.read(spark, CORPUS, fix=fix)
    place = warehouse.location(CORPUS.name)
    corpus = (
        place.read_version(spark, place.version(spark)).select(*CORPUS.columns).where(F.col("source").isin(list(names)))
    )
    present = {row["source"] for row in corpus.select("source").distinct().collect()}
    if missing := [name for name in names if name not in present]:
        raise InputError(
            f"The corpus has no rows of {len(missing)} of the sources asked for.",
            received=f"no rows of {', '.join(missing)}",
            expected=f"accepted rows in {place}",
            fix=fix,
        )
    return corpus


def load_vocabulary(spark: SparkSession, warehouse: Warehouse, source: str) -> Vocabulary:
    """A source's vocabulary from the table, in the order of its indices.

    Raises:
        InputError: There is no such table, or none of that source in it.
    """
    fix = "run the job build_vocabulary first"
    table = warehouse.read(spark, VOCABULARY, fix=fix).where(F.col("source") == source)
    tokens = [row["token"] for row in table.orderBy("index").select("token").collect()]
    if not tokens:
        raise InputError(f"Source {source} has no vocabulary.", expected="rows of it in vocabulary", fix=fix)
    return Vocabulary(tuple(tokens))


def _tokenized(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
    for texts in batches:
        yield tokenize_array(texts)


def _indexed(partial: DataFrame) -> DataFrame:
    """Counts of chunks added up, and numbered within each source."""
    # A minimum of structs would sort all rows; of plain numbers it is a hash aggregate.
    counted = partial.groupBy("source", "token").agg(
        F.sum("count").alias("count"),
        F.min_by("first_place", "first_row").alias("first_place"),
        F.min("first_row").alias("first_row"),
    )
    order = Window.partitionBy("source").orderBy(F.desc("count"), "first_row", "first_place")
    return counted.withColumn("index", F.row_number().over(order))


def _figures(
    spark: SparkSession, warehouse: Warehouse, splits: Mapping[str, SourceSplit]
) -> dict[str, VocabularyCounts]:
    table = warehouse.location(VOCABULARY.name).read(spark).where(F.col("source").isin(list(splits)))
    sums = table.groupBy("source").agg(F.count("*").alias("words"), F.sum("count").alias("tokens")).collect()
    # A source whose texts hold nothing but separators has no row in the vocabulary.
    found = {row["source"]: (row["words"], row["tokens"]) for row in sums}
    return {
        source: VocabularyCounts(split.rows, split.training_rows, split.test_rows, *found.get(source, (0, 0)))
        for source, split in splits.items()
    }
