"""The data of the tutorial, read by the package's own jobs, and as the tutorial read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from textclf.config import parse_pipeline
from textclf.corpus.corpus_rows import corpus_of
from textclf.corpus.ingest import ingest_corpus
from textclf.corpus.vocabulary import build_vocabulary, load_vocabulary
from textclf.runs.workspace import Workspace
from textclf.spark import open_session
from textclf.text.tokenizer import TOKENIZERS
from textclf.text.vocabulary import Vocabulary
from textclf.training.data import Dataset, Rows, load_dataset

UCI = {"yelp": "yelp_labelled", "amazon": "amazon_cells_labelled", "imdb": "imdb_labelled"}
_SOURCES = """
[[sources]]
name = "sms"
path = "{data}/sms_spam/SMSSpamCollection"
format = "tsv"
columns = ["label", "text"]
labels = ["ham", "spam"]
"""
_TREC = """
[[sources]]
name = "{name}"
path = "{data}/trec/{file}"
format = "text"
encoding = "latin-1"
pattern = '(?P<label>\\w+):\\S+ (?P<text>.*)'
"""


@dataclass(frozen=True)
class Labelled:
    """All rows of a source in the order of its file, and its labels in order."""

    labels: list[str]
    rows: Rows


@dataclass(frozen=True)
class Material:
    """What the tutorial runs on.

    Attributes:
        datasets: The UCI sources, split as the tutorial splits them.
        vocabularies: Their tokens by frequency.
        quoted: Rows that pandas' default quoting leaves of the UCI sources, in order.
        more: SMS Spam (``sms``) and TREC (``trec``, ``trec_test``), whole.
        folder: Where the files are.
    """

    datasets: dict[str, Dataset]
    vocabularies: dict[str, Vocabulary]
    quoted: dict[str, Labelled]
    more: dict[str, Labelled]
    folder: Path


def load_material(data: Path) -> Material:
    """Ingest every file into a scratch warehouse, count the vocabularies, and read them back.

    Raises:
        InputError: A file is missing or cannot be read.
    """
    with TemporaryDirectory(prefix="textclf-tutorial-") as folder:
        pipeline = parse_pipeline(f'warehouse = "{folder}"\n{_sources(data)}')
        spark = open_session("textclf tutorial", {"spark.ui.showConsoleProgress": "false"})
        workspace = Workspace(spark, pipeline)
        ingest_corpus(workspace, "tutorial", pipeline.sources)
        uci = [source for source in pipeline.sources if source.name in UCI]
        build_vocabulary(workspace, uci)
        made = Material(
            {source.name: load_dataset(workspace, source) for source in uci},
            {source.name: load_vocabulary(workspace, source.name) for source in uci},
            {name: read_quoted(data / "uci" / f"{file}.txt") for name, file in UCI.items()},
            _whole(workspace),
            data,
        )
        spark.stop()
    return made


def uci_sources(data: Path) -> str:
    """The UCI files as sources of a pipeline file."""
    return "".join(
        f'[[sources]]\nname = "{name}"\npath = "{data}/uci/{file}.txt"\nformat = "tsv"\n'
        'columns = ["text", "label"]\nlabels = ["0", "1"]\n'
        for name, file in UCI.items()
    )


def _sources(data: Path) -> str:
    uci = uci_sources(data)
    files = {"trec": "TREC.train", "trec_test": "TREC.test"}
    return uci + _SOURCES.format(data=data) + "".join(_TREC.format(data=data, name=n, file=f) for n, f in files.items())


def _whole(workspace: Workspace) -> dict[str, Labelled]:
    found: dict[str, Labelled] = {}
    for name in ("sms", "trec", "trec_test"):
        table = corpus_of(workspace, [name]).orderBy("file", "position").select("text", "label").toArrow()
        # The test questions have the labels of the training questions, in the same order.
        labels = found["trec"].labels if name == "trec_test" else sorted(set(table["label"].to_pylist()))
        found[name] = labelled(table["text"].to_pylist(), table["label"].to_pylist(), labels)
    return found


def labelled(texts: Sequence[str], labels: Sequence[str], names: list[str]) -> Labelled:
    """Rows from texts and their labels' names."""
    numbers = np.array([names.index(label) for label in labels], np.int32)
    return Labelled(names, Rows(pa.array(texts, pa.string()), numbers))


def read_quoted(path: Path) -> Labelled:
    """A UCI file as ``pandas.read_csv`` reads it by default: double quotes glue lines together."""
    import pandas as pd

    frame = pd.read_csv(path, names=["text", "label"], sep="\t")
    return labelled(frame["text"].tolist(), frame["label"].astype(str).tolist(), ["0", "1"])


def split(rows: Rows) -> tuple[Rows, Rows]:
    """Training and test rows as the tutorial splits them."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(rows)), test_size=0.25, random_state=1000)
    return take(rows, train), take(rows, test)


def take(rows: Rows, chosen: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Rows:
    """Some of the rows, in the order asked for."""
    return Rows(rows.texts.take(pa.array(chosen)), rows.labels[chosen])


def join(parts: Sequence[Rows]) -> Rows:
    """Rows one after another."""
    return Rows(pa.concat_arrays([part.texts for part in parts]), np.concatenate([part.labels for part in parts]))


def ranked_vocabulary(rows: Rows, tokenizer: str = "keras") -> Vocabulary:
    """Tokens by falling count, ties by first occurrence: what the job counts for training rows in this order."""
    counts: dict[str, int] = {}
    for text in rows.texts.to_pylist():
        for token in TOKENIZERS[tokenizer](text):
            counts[token] = counts.get(token, 0) + 1
    return Vocabulary(tuple(sorted(counts, key=lambda token: -counts[token])))
