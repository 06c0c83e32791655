"""Small corpora, written straight to the tables."""

from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from textclf.config import Pipeline
from textclf.corpus.vocabulary import build_vocabulary
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse
from textclf.storage.schemas import CORPUS

WORDS = ("good", "bad", "plain", "loud", "soft", "late")
FILLER = ("the", "food", "was", "very", "place", "we", "came", "again", "service", "and")


def source_toml(name: str) -> str:
    """Return the TOML of a source whose file is never read."""
    return f'[[sources]]\nname = "{name}"\npath = "unused"\nformat = "tsv"\ncolumns = ["text", "label"]\n'


def sample_sources(folder: str | Path) -> str:
    """Return the TOML of the sample corpus' sources.

    Args:
        folder: Folder in which ``write_labelled`` has written their files.
    """
    return f"""
[[sources]]
name = "restaurants"
path = "{folder}/restaurants.tsv"
format = "tsv"
columns = ["text", "label"]
labels = ["0", "1"]
[[sources]]
name = "products"
path = "{folder}/products.csv"
format = "csv"
columns = ["text", "label"]
labels = ["0", "1"]
[[sources]]
name = "films"
path = "{folder}/films.jsonl"
format = "jsonl"
labels = ["0", "1"]
"""


def invented(rows: int, labels: Sequence[str] = ("0", "1")) -> list[tuple[str, str]]:
    """Return texts and labels; one word of each text determines its label."""
    made = []
    for row in range(rows):
        which = row * 7 % len(labels)
        filler = [FILLER[(row * step + step) % len(FILLER)] for step in range(1, 5 + row % 4)]
        made.append((" ".join([*filler[:2], WORDS[which], *filler[2:]]), labels[which]))
    return made


def real(path: Path) -> list[tuple[str, str]]:
    """Read texts and labels from a file of labelled sentences; only a line feed ends a record."""
    with path.open(encoding="utf-8", newline="\n") as file:
        return [(text, label) for text, _, label in (line.rstrip("\n").rpartition("\t") for line in file)]


def put(spark: SparkSession, pipeline: Pipeline, name: str, rows: Sequence[tuple[str, str]]) -> Warehouse:
    """Write the rows of a source as its corpus, and build its vocabulary."""
    warehouse = Warehouse.of(pipeline)
    records = [(name, "a.txt", position, text, label) for position, (text, label) in enumerate(rows)]
    warehouse.replace_sources(spark.createDataFrame(records, CORPUS.schema), CORPUS, [name])
    source = pipeline.source(name)
    assert source is not None
    build_vocabulary(Workspace(spark, pipeline), [source])
    return warehouse
