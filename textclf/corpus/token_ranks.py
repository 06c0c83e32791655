"""Number the tokens of each source by falling frequency, from the counts of chunks: in the driver, or by Spark."""

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Observation, Window
from pyspark.sql import functions as F

MOST_HERE = 1_000_000
"""Largest number of rows of counts that the driver adds up, which takes some 100 MB; Spark adds up more."""

Figures = dict[str, tuple[int, int]]
"""Number of different tokens and of all tokens, by source; a source without tokens is not among them."""


def indexed_here(counts: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Add up the counts of chunks in this process.

    Args:
        counts: Rows with the columns of ``token_counts.COUNTED``.

    Yields:
        Each source with its rows of ``vocabulary``, without the source, in the order of the index.
    """
    if not len(counts):
        return
    sources, tokens = (counts[name].combine_chunks().dictionary_encode() for name in ("source", "token"))
    many = len(tokens.dictionary)
    pairs = sources.indices.to_numpy().astype(np.int64) * many + tokens.indices.to_numpy()
    count, row, place = (counts[name].to_numpy() for name in ("count", "first_row", "first_place"))
    by_pair = np.lexsort((place, row, pairs))
    found, begins = np.unique(pairs[by_pair], return_index=True)
    total, first = np.add.reduceat(count[by_pair], begins), by_pair[begins]
    ranked = np.lexsort((place[first], row[first], -total, found // many))
    ends = np.searchsorted(found // many, np.arange(len(sources.dictionary) + 1))
    for code, source in enumerate(sources.dictionary.to_pylist()):
        ours = ranked[ends[code] : ends[code + 1]]
        yield (
            source,
            pa.table(
                {
                    "index": pa.array(np.arange(1, len(ours) + 1, dtype=np.int32)),
                    "token": tokens.dictionary.take(pa.array(found[ours] % many)),
                    "count": pa.array(total[ours]),
                }
            ),
        )


def indexed_by_spark(counts: DataFrame, seen: Observation) -> DataFrame:
    """Add up the counts of chunks on the executors; ``seen`` collects what ``figures_of`` reads."""
    # A minimum of structs would sort all rows; a minimum of plain numbers is a hash aggregate.
    counted = counts.groupBy("source", "token").agg(
        F.sum("count").alias("count"),
        F.min_by("first_place", "first_row").alias("first_place"),
        F.min("first_row").alias("first_row"),
    )
    ours = Window.partitionBy("source")
    numbered = counted.select(
        "*",
        F.row_number().over(ours.orderBy(F.desc("count"), "first_row", "first_place")).alias("index"),
        F.count("*").over(ours).alias("words"),
        F.sum("count").over(ours).alias("tokens"),
    )
    # One row a source. A set, because a task that runs again adds the same row again.
    last = F.when(F.col("index") == F.col("words"), F.struct("source", "words", "tokens"))
    return numbered.observe(seen, F.to_json(F.collect_set(last)).alias("sources"))


def figures_of(seen: Observation) -> Figures:
    """Return the figures that ``indexed_by_spark`` has collected, once its rows are computed."""
    return {row["source"]: (row["words"], row["tokens"]) for row in json.loads(seen.get["sources"])}
