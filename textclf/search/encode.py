"""All sources of a search encoded in one Spark job: rows of ``corpus`` in, one file a source out."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from textclf.common.file_systems import file_system, replace_in
from textclf.config import Pipeline, SearchPlan, Source
from textclf.corpus.vocabulary import corpus_of
from textclf.errors import InputError
from textclf.models import architecture
from textclf.runs.workspace import Workspace
from textclf.search.cross_validation import check_rows
from textclf.search.encoded_source import Info, pack
from textclf.search.space import BASELINE
from textclf.spark.job_names import carried
from textclf.storage.schemas import VOCABULARY
from textclf.text.encoder import Encoder
from textclf.text.split import SourceSplit, check_split, find_splits
from textclf.text.vocabulary import Vocabulary
from textclf.training.data import Rows, arrange, corpus_digests
from textclf.training.train import GOLDEN_EDGES, GOLDEN_ROWS, sorted_vocabulary
from textclf.training.usable_texts import check_words, has_words

_INFO = "source string, info string"


def encode_sources(workspace: Workspace, sources: Sequence[Source], folder: str) -> dict[str, Info]:
    """Encode each source's rows into a file of ``folder``; return what the driver needs of each source, by its name.

    A source that cannot be searched has a ``problem`` in its ``Info``; the other sources go on.

    Raises:
        InputError: There is no corpus, none of one of the sources, or no vocabulary.
    """
    names = [source.name for source in sources]
    spark, warehouse, pipeline = workspace.spark, workspace.warehouse, workspace.pipeline
    corpus = corpus_of(workspace, names)
    table = warehouse.read(spark, VOCABULARY, fix="run the job build_vocabulary first")
    words = table.where(F.col("source").isin(names) & (F.col("index") < pipeline.text.num_words))
    with ThreadPoolExecutor(1) as beside:
        digests = beside.submit(carried(spark, corpus_digests), corpus)
        splits = find_splits(corpus, pipeline.split, names)
    encode = _encoder(pipeline, {source.name: source for source in sources}, splits, digests.result(), folder)
    groups = corpus.groupBy("source").cogroup(words.select("source", "index", "token").groupBy("source"))
    found = groups.applyInArrow(encode, _INFO).collect()  # one row a source
    return {row["source"]: Info(**json.loads(row["info"])) for row in found if row["source"] in splits}


def _encoder(
    pipeline: Pipeline,
    sources: Mapping[str, Source],
    splits: Mapping[str, SourceSplit],
    digests: Mapping[str, str],
    folder: str,
) -> Callable[[pa.Table, pa.Table], pa.Table]:
    def encode(rows: pa.Table, words: pa.Table) -> pa.Table:
        if not len(rows):  # tokens of a source that is no longer in the corpus
            return pa.table({"source": pa.array([], pa.string()), "info": pa.array([], pa.string())})
        name = rows["source"][0].as_py()
        info = Info(name, digests[name])
        try:
            info = _encode(pipeline, sources[name], splits, rows, words, info, folder)
        except InputError as error:
            info = replace(info, problem=str(error))
        return pa.table({"source": [name], "info": [json.dumps(asdict(info))]})

    return encode


def _encode(
    pipeline: Pipeline,
    source: Source,
    splits: Mapping[str, SourceSplit],
    rows: pa.Table,
    words: pa.Table,
    info: Info,
    folder: str,
) -> Info:
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
    path = f"{folder}/{source.name}-{digest[:16]}.safetensors"
    replace_in(*file_system(path), data)  # two attempts at once write the same bytes
    return replace(info, digest=digest, path=path)


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
