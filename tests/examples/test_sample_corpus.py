"""The sample corpus holds what it declares and is the same each time."""

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from tests.factories.corpora import sample_sources
from textclf.config import Pipeline
from textclf.corpus.ingest import ingest_corpus
from textclf.examples.sample_corpus import (
    NOISE,
    SENTENCES,
    WORDINGS,
    labelled_sentences,
    main,
    write_labelled,
    write_unlabelled,
)
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse


@pytest.mark.parametrize("source", WORDINGS)
def test_a_linear_model_learns_most_of_a_source_but_not_its_noise(source: str) -> None:
    rows = labelled_sentences(source, seed=1)
    train, test = train_test_split(rows, test_size=0.25, random_state=1000)
    counts = CountVectorizer().fit([text for text, _ in train])
    model = LogisticRegression().fit(counts.transform([text for text, _ in train]), [label for _, label in train])

    accuracy = model.score(counts.transform([text for text, _ in test]), [label for _, label in test])

    assert 0.75 < accuracy < 1 - NOISE + 0.03


def test_labels_are_balanced() -> None:
    labels = [label for _text, label in labelled_sentences("films", seed=1)]

    assert len(labels) == SENTENCES
    assert 400 < labels.count("1") < 600


def test_sources_differ_in_wording() -> None:
    words = [{word for text, _ in labelled_sentences(name, 1) for word in text.lower().split()} for name in WORDINGS]

    shared = set.intersection(*words)

    assert all(len(shared) < len(vocabulary) / 2 for vocabulary in words)


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second, other = (write_labelled(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))

    for one, same, different in zip(first, second, other, strict=True):
        assert one.path.read_bytes() == same.path.read_bytes()
        assert one.path.read_bytes() != different.path.read_bytes()


def test_ingest_finds_exactly_what_is_declared(
    spark: SparkSession, tmp_path: Path, make_pipeline: Callable[[str], Pipeline]
) -> None:
    files = write_labelled(tmp_path)
    pipeline = make_pipeline(sample_sources(tmp_path))

    counts = ingest_corpus(Workspace(spark, pipeline), "run", pipeline.sources)

    for file in files:
        assert counts[file.source].records == file.records
        assert counts[file.source].accepted == file.good
    rejects = (
        Warehouse.of(pipeline).location("corpus_rejects").read(spark).groupBy("source", "reason").count().collect()
    )
    assert {(row.source, row.reason): row["count"] for row in rejects} == {
        (file.source, reason.value): number for file in files for reason, number in file.bad.items()
    }


def test_the_unlabelled_table_has_the_declared_rows_and_nulls(tmp_path: Path) -> None:
    declared = write_unlabelled(tmp_path / "table", 2500)

    table = pq.read_table(declared.path)

    assert table.column("id").to_pylist() == list(range(2500))
    assert table.column("text").null_count == declared.nulls == 2
    assert set(table.column("source").to_pylist()) == set(WORDINGS)
    assert set(table.column("ds").to_pylist()) == {dt.date(2026, 1, 5), dt.date(2026, 1, 6)}


def test_sources_of_the_unlabelled_table_can_be_renamed(tmp_path: Path) -> None:
    declared = write_unlabelled(tmp_path / "table", 100, names={"restaurants": "yelp", "films": "imdb"})

    assert set(pq.read_table(declared.path).column("source").to_pylist()) == {"yelp", "products", "imdb"}


def test_a_shorter_table_is_the_beginning_of_a_longer_one(tmp_path: Path) -> None:
    shorter, longer = (write_unlabelled(tmp_path / str(rows), rows) for rows in (99, 100_001))

    assert pq.read_table(longer.path).slice(0, 99) == pq.read_table(shorter.path)


def test_a_second_table_replaces_the_first(tmp_path: Path) -> None:
    write_unlabelled(tmp_path / "table", 50)
    write_unlabelled(tmp_path / "table", 20)

    assert pq.read_table(tmp_path / "table").num_rows == 20
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_a_million_rows_take_seconds(tmp_path: Path) -> None:
    started = time.monotonic()

    write_unlabelled(tmp_path / "table", 1_000_000)

    assert time.monotonic() - started < 30


def test_the_command_writes_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", str(tmp_path), "--rows", "10"]) == 0

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "films.jsonl",
        "products.csv",
        "restaurants.tsv",
        "unlabelled",
    ]
    assert '"rows": 10' in capsys.readouterr().out
