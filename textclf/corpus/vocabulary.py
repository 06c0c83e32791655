"""Build ``tokens`` and ``vocabulary`` from ``corpus``, on the executors."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import DataFrame, Observation, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from textclf.common.run_ids import new_run_id
from textclf.config import Source
from textclf.corpus.token_counts import COUNTED, PACKED, rows_seen, token_packer
from textclf.errors import InputError
from textclf.runs.workspace import Workspace, takes_workspace
from textclf.spark.job_names import carried
from textclf.storage.append_only import check_replaceable
from textclf.storage.conditions import of_sources
from textclf.storage.file_commit import copies_because, hand_over
from textclf.storage.publish import Target
from textclf.storage.schemas import CORPUS, TOKENS, VOCABULARY
from textclf.storage.staging import staging_folder
from textclf.storage.stored_files import FileStore, PackedFile, parquet_codec, read_packed
from textclf.text.split import SourceSplit, plan_splits
from textclf.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class VocabularyCounts:
    """Figures of one source's vocabulary.

    Attributes:
        rows: Number of the source's rows in ``corpus``.
        training_rows: Number of rows whose tokens are counted.
        test_rows: Number of rows that are held back.
        words: Number of distinct tokens in the training rows, which is the length of the vocabulary.
        tokens: Number of all tokens in the training rows.
    """

    rows: int
    training_rows: int
    test_rows: int
    words: int
    tokens: int


@takes_workspace
def build_vocabulary(
    workspace: Workspace,
    sources: Sequence[Source],
    on_progress: Callable[[str], None] | None = None,
    *,
    run_id: str | None = None,
) -> dict[str, VocabularyCounts]:
    """Tokenize sources of ``corpus`` into ``tokens`` and count their training rows into ``vocabulary``.

    The sources' slices of both tables are replaced. Index 1 is the most frequent token. Ties are ordered by first
    occurrence in the training rows, in the split's order, as Keras' Tokenizer does when it is fitted on them.

    Args:
        workspace: Session, pipeline file (``[split]``) and tables.
        sources: Sources with rows in ``corpus``.
        on_progress: Callback that gets the name of each source whose rows are counted, perhaps more than once and
            from any thread; None for no callback.
        run_id: Identifier of the run, which names the folder where files wait to be published; by default a new one.

    Returns:
        Counts by source name.

    Raises:
        InputError: There is no corpus, or it has too few rows of a source to split. No table has changed.

    Example:
        >>> from textclf import build_vocabulary
        >>> build_vocabulary(workspace, workspace.pipeline.sources)["reviews"]
        VocabularyCounts(rows=20, training_rows=15, test_rows=5, words=6, tokens=60)
    """
    spark, warehouse = workspace.spark, workspace.warehouse
    names = [source.name for source in sources]
    check_replaceable(spark, warehouse.location(TOKENS.name), warehouse.location(VOCABULARY.name))
    corpus = corpus_of(workspace, names)
    splits = plan_splits(corpus, workspace.pipeline.split, names)
    rows = None if on_progress is None else rows_seen(spark.sparkContext, splits, on_progress)
    seen = Observation()
    with staging_folder(spark, warehouse, run_id or new_run_id(datetime.now(UTC)), TOKENS.name) as folder:
        target = Target(warehouse.location(TOKENS.name), TOKENS)
        store = FileStore(spark, {"tokens": target.folder(spark, f"{folder}/tokens"), "counts": f"{folder}/counts"})
        packer = token_packer(splits, parquet_codec(spark), rows, store.sink)
        files = store.store(corpus.select("source", "file", "position", "text").mapInArrow(packer, PACKED))
        tokens, counts = ([file for file in files if file.values["kind"] == kind] for kind in ("tokens", "counts"))
        counted = _indexed(read_packed(spark, counts, COUNTED), seen)
        # In parallel: the driver commits one table while the executors work on the other.
        with ThreadPoolExecutor(1) as pool:
            published = pool.submit(carried(spark, _publish), store, tokens, target, names)
            warehouse.replace_sources(counted, VOCABULARY, names)
            published.result()
    return _figures(splits, seen)


def _publish(store: FileStore, files: Sequence[PackedFile], target: Target, names: Sequence[str]) -> None:
    """Replace the sources' slices of ``tokens`` by files."""
    spark, place = store.spark, target.place
    if copies_because(spark, place, TOKENS) is None:
        hand_over(spark, "", store.staged(files, TOKENS), place, TOKENS, of_sources(names))
    else:
        columns = StructType([field for field in TOKENS.schema if field.name not in TOKENS.partition_by])
        place.replace(read_packed(spark, files, columns, *TOKENS.partition_by), TOKENS, of_sources(names))


def corpus_of(workspace: Workspace, names: Sequence[str]) -> DataFrame:
    """Read the sources' rows from the current version of ``corpus``; a later ingest does not change them.

    Args:
        workspace: Session and tables.
        names: Names of the sources.

    Raises:
        InputError: There is no corpus.
    """
    rows = workspace.warehouse.read_fixed(workspace.spark, CORPUS, fix="run the job ingest_corpus first")
    return rows.where(F.col("source").isin(list(names)))


def load_vocabulary(workspace: Workspace, source: str) -> Vocabulary:
    """Load a source's vocabulary from the table, in the order of its indices.

    Args:
        workspace: Session and tables.
        source: Name of the source.

    Raises:
        InputError: There is no table ``vocabulary``, or it has no rows of the source.
    """
    fix = "run the job build_vocabulary first"
    table = workspace.warehouse.read(workspace.spark, VOCABULARY, fix=fix).where(F.col("source") == source)
    tokens = [row["token"] for row in table.orderBy("index").select("token").collect()]
    if not tokens:
        raise InputError(
            f"Source {source} has no vocabulary.", expected="rows of the source in the table vocabulary", fix=fix
        )
    return Vocabulary(tuple(tokens))


def _indexed(partial: DataFrame, seen: Observation) -> DataFrame:
    """Add up the counts of chunks and number the tokens of each source; ``seen`` collects what ``_figures`` reads."""
    # A minimum of structs would sort all rows; a minimum of plain numbers is a hash aggregate.
    counted = partial.groupBy("source", "token").agg(
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


def _figures(splits: Mapping[str, SourceSplit], seen: Observation) -> dict[str, VocabularyCounts]:
    # A source whose texts hold only separators has no rows in the vocabulary.
    found = {row["source"]: (row["words"], row["tokens"]) for row in json.loads(seen.get["sources"])}
    return {
        source: VocabularyCounts(split.rows, split.training_rows, split.test_rows, *found.get(source, (0, 0)))
        for source, split in splits.items()
    }
