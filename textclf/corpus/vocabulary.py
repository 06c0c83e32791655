"""Build ``tokens`` and ``vocabulary`` from ``corpus``: on the executors, or in the driver if it is small."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Observation
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from textclf.common import console
from textclf.common.run_ids import new_run_id
from textclf.config import Source
from textclf.corpus.corpus_rows import CorpusRows
from textclf.corpus.token_counts import COUNTED, PACKED, rows_seen, token_packer
from textclf.corpus.token_ranks import MOST_HERE, Figures, figures_of, indexed_by_spark, indexed_here
from textclf.errors import InputError
from textclf.kernels.preload import PRELOAD
from textclf.runs.workspace import Workspace, takes_workspace
from textclf.spark.job_names import carried
from textclf.spark.preload.environment import preloading
from textclf.storage.append_only import check_replaceable
from textclf.storage.conditions import of_sources
from textclf.storage.file_commit import copies_because, hand_over
from textclf.storage.publish import Target
from textclf.storage.queries.small_tables import small_table
from textclf.storage.schemas import TOKENS, VOCABULARY
from textclf.storage.staged_table import url_of
from textclf.storage.staging import staging_folder
from textclf.storage.stored_files import FileStore, PackedFile, parquet_codec, read_here, read_packed
from textclf.storage.worker_files import Packer
from textclf.text.split import plan_splits, splits_of
from textclf.text.vocabulary import Vocabulary

_TEXTS, _NUMBERED = ("source", "file", "position", "text"), ("index", "token")
PRELOADED = ("pandas", "textclf.corpus.token_counts", PRELOAD)
"""What workers that count tokens need; see ``textclf.spark.preload.environment.preloading``."""


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
    corpus = CorpusRows.of(workspace, names)
    few, split = corpus.here(*_TEXTS), workspace.pipeline.split
    splits = plan_splits(corpus.table, split, names) if few is None else splits_of(few, split, names)
    rows = rows_seen(spark.sparkContext, splits, on_progress, console.current())
    with staging_folder(spark, warehouse, run_id or new_run_id(datetime.now(UTC)), TOKENS.name) as folder:
        target = Target(warehouse.location(TOKENS.name), TOKENS)
        store = FileStore(spark, {"tokens": target.folder(spark, f"{folder}/tokens"), "counts": f"{folder}/counts"})
        packer = token_packer(splits, parquet_codec(spark), rows, store.sink)
        if few is None:
            with preloading(spark.sparkContext, *PRELOADED):
                packed = corpus.table.select(*_TEXTS).mapInArrow(packer, PACKED)
            files = store.store(packed)
        else:
            files = store.store_here(packer(iter(few.to_batches())))
        tokens, counts = ([file for file in files if file.values["kind"] == kind] for kind in ("tokens", "counts"))
        # In parallel: the driver commits one table while the other is worked on.
        with ThreadPoolExecutor(1) as pool:
            published = pool.submit(carried(spark, _publish), store, tokens, target, names)
            here = sum(file.values["rows"] for file in counts) <= MOST_HERE
            figures = (_index_here if here else _index_by_spark)(workspace, counts, names, f"{folder}/vocabulary")
            published.result()
    # A source whose texts hold only separators has no rows in the vocabulary.
    return {
        source: VocabularyCounts(split.rows, split.training_rows, split.test_rows, *figures.get(source, (0, 0)))
        for source, split in splits.items()
    }


def _index_here(workspace: Workspace, counts: Sequence[PackedFile], names: Sequence[str], other: str) -> Figures:
    """Replace the sources' slices of ``vocabulary`` by files that the driver writes.

    Args:
        workspace: Session and tables.
        counts: Files with the counts of chunks.
        names: Names of the sources.
        other: Folder of the files if the table cannot take them.
    """
    spark, target = workspace.spark, Target(workspace.warehouse.location(VOCABULARY.name), VOCABULARY)
    store = FileStore(spark, {"vocabulary": target.folder(spark, other)})
    figures = Figures()

    def packed() -> Iterator[pa.RecordBatch]:
        statistics = VOCABULARY.statistics or ()
        with Packer(("kind", "source"), store.sink, ("source",), parquet_codec(spark), statistics) as packer:
            for source, table in indexed_here(read_here(counts)):
                figures[source] = len(table), pc.sum(table["count"]).as_py()
                yield from packer.write(("vocabulary", source), table)
            yield from packer.close()

    _publish(store, store.store_here(packed()), target, names)
    return figures


def _index_by_spark(workspace: Workspace, counts: Sequence[PackedFile], names: Sequence[str], *_: str) -> Figures:
    """Replace the slices by rows that Spark computes and writes."""
    seen = Observation()
    numbered = indexed_by_spark(read_packed(workspace.spark, counts, COUNTED), seen)
    workspace.warehouse.replace_sources(numbered, VOCABULARY, names)
    return figures_of(seen)


def _publish(store: FileStore, files: Sequence[PackedFile], target: Target, names: Sequence[str]) -> None:
    """Replace the sources' slices of a table by files."""
    spark, place, spec = store.spark, target.place, target.spec
    if copies_because(spark, place, spec) is None:
        staged, root = store.staged(files, spec), url_of(spark, str(place))
        there = all(file.is_in(root) for file in staged)  # written a moment ago: no VACUUM takes them for old
        hand_over(spark, "", staged, place, spec, of_sources(names), gathered=there)
    else:
        columns = StructType([field for field in spec.schema if field.name not in spec.partition_by])
        place.replace(read_packed(spark, files, columns, *spec.partition_by), spec, of_sources(names))


def load_vocabulary(workspace: Workspace, source: str, most: int | None = None) -> Vocabulary:
    """Load a source's vocabulary from the table, in the order of its indices.

    Args:
        workspace: Session and tables.
        source: Name of the source.
        most: Number of tokens to load, the most frequent ones; None for all.

    Raises:
        InputError: There is no table ``vocabulary``, or it has no rows of the source.
    """
    fix = "run the job build_vocabulary first"
    spark, warehouse = workspace.spark, workspace.warehouse
    place, columns = warehouse.location(VOCABULARY.name), StructType([VOCABULARY.schema[name] for name in _NUMBERED])
    snapshot = place.snapshot(spark)
    wanted = None if most is None else pc.field("index") <= most
    rows = snapshot and small_table(spark, place, snapshot, columns, of_sources([source]), filters=wanted)
    if rows is None:
        table = warehouse.read(spark, VOCABULARY, fix=fix).where(F.col("source") == source)
        rows = (table if most is None else table.where(F.col("index") <= most)).select(*_NUMBERED).toArrow()
    if not len(rows):
        raise InputError(
            f"Source {source} has no vocabulary.", expected="rows of the source in the table vocabulary", fix=fix
        )
    return Vocabulary(tuple(rows.sort_by("index")["token"].to_pylist()))
