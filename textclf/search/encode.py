"""All sources of a search encoded in one Spark job: rows of ``corpus`` in, broadcasts for the trials out.

Executors' Python has no access to storage but through Spark, so encoded rows go to the driver, which shares them out
again as packs of sources.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from textclf.config import Pipeline, SearchPlan, Source
from textclf.corpus.corpus_rows import corpus_of
from textclf.errors import InputError
from textclf.models import architecture
from textclf.runs.workspace import Workspace
from textclf.search.cross_validation import check_rows
from textclf.search.encoded_source import Data, Info, Pack, pack
from textclf.search.space import BASELINE
from textclf.spark.job_names import carried
from textclf.storage.schemas import VOCABULARY
from textclf.text.encoder import Encoder
from textclf.text.split import SourceSplit, check_split, find_splits
from textclf.text.vocabulary import Vocabulary
from textclf.training.data import Rows, arrange, corpus_digests
from textclf.training.train import GOLDEN_EDGES, GOLDEN_ROWS, sorted_vocabulary
from textclf.training.usable_texts import check_words, has_words

_ENCODED = "source string, part int, info string, data binary"
_SCHEMA = pa.schema({"source": pa.string(), "part": pa.int32(), "info": pa.string(), "data": pa.binary()})
_PART_BYTES = 16 << 20  # of encoded rows in one row of Spark's
_PARTS = 16  # parts of a source that one Spark job brings to the driver
_PACK_BYTES = 32 << 20  # of encoded sources that are shared out together; a larger source is a pack of its own


@dataclass(frozen=True)
class EncodedSources:
    """Encoded sources on the driver.

    Attributes:
        infos: What the driver needs of each source, by its name.
        packs: Broadcast that holds the source's rows, by its name; none where the source has a problem.
    """

    infos: dict[str, Info]
    packs: dict[str, Pack] = field(default_factory=dict)


@contextmanager
def encoded_sources(workspace: Workspace, sources: Sequence[Source]) -> Iterator[EncodedSources]:
    """Encode each source's rows and share them out until the context ends.

    A source that cannot be searched has a ``problem`` in its ``Info``; the other sources go on.

    Raises:
        InputError: There is no corpus, none of one of the sources, or no vocabulary.
    """
    encoded, known = _encoded(workspace, sources)
    packs: dict[str, Pack] = {}
    with ExitStack() as stack:
        # On the executors' disks, so that their rows come to the driver piece by piece.
        encoded.persist(StorageLevel.DISK_ONLY)
        try:
            # Small sources come at once, which saves small searches a Spark job.
            small = F.when(F.octet_length("data") <= _PACK_BYTES // max(len(sources), 1), F.col("data"))
            rows = encoded.where("part = 0").select("source", "info", small.alias("data")).collect()  # one row a source
            infos = {row["source"]: Info(**json.loads(row["info"])) for row in rows if row["source"] in known}
            sizes = {name: info.size for name, info in infos.items() if info.problem is None}
            there = {row["source"]: row["data"] for row in rows if len(row["data"] or b"") == sizes.get(row["source"])}
            for pack in _packs(sizes):
                data = there if pack.keys() <= there.keys() else _fetched(encoded, pack)
                shared = workspace.spark.sparkContext.broadcast({infos[name].digest: data[name] for name in pack})
                stack.callback(shared.destroy)
                packs |= dict.fromkeys(pack, shared)
        finally:
            encoded.unpersist()
        yield EncodedSources(infos, packs)


def _packs(sizes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Yield packs of sources with their sizes, the largest sources first: those of a pack are of one kind."""
    pack: dict[str, int] = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if pack and sum(pack.values()) + sizes[name] > _PACK_BYTES:
            yield pack
            pack = {}
        pack[name] = sizes[name]
    if pack:
        yield pack


def _fetched(encoded: DataFrame, pack: Mapping[str, int]) -> dict[str, Data]:
    """Collect the bytes of a pack's sources, in Spark jobs with results far below ``spark.driver.maxResultSize``."""
    rows = encoded.where(F.col("source").isin(list(pack))).select("source", "part", "data")
    parts = -(-max(pack.values()) // _PART_BYTES)
    found: dict[str, Data] = {}
    for begin in range(0, parts, _PARTS):
        piece = rows.where(F.col("part").between(begin, begin + _PARTS - 1))
        for row in sorted(piece.collect(), key=lambda row: row["part"]):
            name, data = row["source"], row["data"]
            if len(data) == pack[name]:
                found[name] = data
            else:
                found.setdefault(name, bytearray()).extend(data)  # type: ignore[union-attr]
    return found


def _encoded(workspace: Workspace, sources: Sequence[Source]) -> tuple[DataFrame, set[str]]:
    """The encoded rows, not yet computed, and the names of the sources that have any."""
    names = [source.name for source in sources]
    spark, warehouse, pipeline = workspace.spark, workspace.warehouse, workspace.pipeline
    corpus = corpus_of(workspace, names)
    table = warehouse.read_fixed(spark, VOCABULARY, fix="run the job build_vocabulary first")
    words = table.where(F.col("source").isin(names) & (F.col("index") < pipeline.text.num_words))
    with ThreadPoolExecutor(1) as beside:
        digests = beside.submit(carried(spark, corpus_digests), corpus)
        splits = find_splits(corpus, pipeline.split, names)
    encode = _encoder(pipeline, {source.name: source for source in sources}, splits, digests.result())
    groups = corpus.groupBy("source").cogroup(words.select("source", "index", "token").groupBy("source"))
    return groups.applyInArrow(encode, _ENCODED), set(splits)


def _encoder(
    pipeline: Pipeline,
    sources: Mapping[str, Source],
    splits: Mapping[str, SourceSplit],
    digests: Mapping[str, str],
) -> Callable[[pa.Table, pa.Table], pa.Table]:
    def encode(rows: pa.Table, words: pa.Table) -> pa.Table:
        if not len(rows):  # tokens of a source that is no longer in the corpus
            return _SCHEMA.empty_table()
        name = rows["source"][0].as_py()
        info, data = Info(name, digests[name]), b""
        try:
            info, data = _encode(pipeline, sources[name], splits, rows, words, info)
        except InputError as error:
            info = replace(info, problem=str(error))
        return _in_parts(info, data)

    return encode


def _in_parts(info: Info, data: bytes) -> pa.Table:
    """Rows of Spark's with the bytes, each a batch of its own: the JVM holds a batch several times."""
    about = json.dumps(asdict(info))
    batches = [
        pa.record_batch([[info.source], [part], [about], [data[at : at + _PART_BYTES]]], schema=_SCHEMA)
        for part, at in enumerate(range(0, max(len(data), 1), _PART_BYTES))
    ]
    return pa.Table.from_batches(batches)


def _encode(
    pipeline: Pipeline,
    source: Source,
    splits: Mapping[str, SourceSplit],
    rows: pa.Table,
    words: pa.Table,
    info: Info,
) -> tuple[Info, bytes]:
    check_split(source.name, splits[source.name])
    found = arrange(rows, splits, source, info.corpus_digest)
    labels, train, test = found.labels, found.train, found.test
    plan = pipeline.search.plan(source.name)
    check_rows(train.labels, plan.folds, pipeline.split.seed, plan.nested, source.name)
    _check_words(train, plan, source.name)
    if not len(words) and has_words(train.texts, "keras"):
        fix = "run the job build_vocabulary first"
        raise InputError(f"Source {source.name} has no vocabulary.", expected="rows of it in vocabulary", fix=fix)
    tokens = tuple(words.sort_by("index")["token"].to_pylist())
    text = pipeline.text
    counted = sorted_vocabulary(train, "words")
    encoders = {
        "keras": Encoder("keras", Vocabulary(tokens), text.num_words, text.max_length),
        "words": Encoder("words", counted, len(counted.tokens) + 1, text.max_length),
    }
    info = replace(
        info,
        labels=labels,
        rows=len(train),
        test_rows=len(test),
        max_length=text.max_length,
        unseen=found.unseen,
        words={name: encoder.vocabulary.size(encoder.num_words) for name, encoder in encoders.items()},
    )
    golden = [*GOLDEN_EDGES, *test.texts.slice(0, GOLDEN_ROWS).to_pylist()]
    numbers = np.concatenate([train.labels, test.labels])
    data, digest = pack(info, numbers, encoders, pa.concat_arrays([train.texts, test.texts]), golden)
    return replace(info, digest=digest, size=len(data)), data


def _check_words(train: Rows, plan: SearchPlan, source: str) -> None:
    """Refuse texts without a token for every searched architecture, or for the baseline where it has to be beaten.

    An architecture that alone finds no token fails in its own trials, with this reason.

    Raises:
        InputError: There are no tokens.
    """
    searched = {architecture(name).tokenizer for name in plan.searched}
    if not any(has_words(train.texts, tokenizer) for tokenizer in searched):
        check_words(train.texts, sorted(searched)[0], f"Source {source}")
    elif plan.beat_baseline:
        check_words(train.texts, architecture(BASELINE).tokenizer, f"Source {source}, for its baseline,")
