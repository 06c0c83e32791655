"""Ingest of files into tables, with real Spark and real Delta tables."""

import csv
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.factories.ingests import entry, ingest, table
from tests.points import files_of_no_version
from textclf.config import Pipeline
from textclf.corpus.first_look import look_at
from textclf.corpus.ingest import Counts, ingest_corpus
from textclf.corpus.odd_records import OddRecords
from textclf.corpus.publication import publish
from textclf.errors import InputError
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse

TABLES = "corpus", "corpus_rejects"

MakePipeline = Callable[[str], Pipeline]


@pytest.fixture
def small_blocks(spark: SparkSession) -> Iterator[None]:
    """Cut files into blocks of two kilobytes."""
    spark.conf.set("spark.sql.files.maxPartitionBytes", "2000")
    spark.conf.set("spark.sql.files.openCostInBytes", "0")
    yield
    spark.conf.unset("spark.sql.files.maxPartitionBytes")
    spark.conf.unset("spark.sql.files.openCostInBytes")


def test_every_record_ends_in_one_table(spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b'good "one\t1\n\nonly text\ncaf\xe9\t1\nx\t7\n \t1\nlast\t0')
    pipeline = make_pipeline(
        entry("a", tmp_path / "a.tsv", 'format = "tsv"\ncolumns = ["text", "label"]\nlabels = ["0", "1"]')
    )

    result = ingest(spark, pipeline)

    assert result["a"].records == 7
    assert (result["a"].accepted, result["a"].rejected) == (2, 5)
    assert table(spark, pipeline, "corpus", "file", "position", "text", "label") == [
        ("a.tsv", 0, 'good "one', "1"),
        ("a.tsv", 6, "last", "0"),
    ]
    assert table(spark, pipeline, "corpus_rejects", "position", "reason", "raw") == [
        (1, "blank_record", ""),
        (2, "missing_column", "only text"),
        (3, "undecodable_bytes", "caf\ufffd\t1"),
        (4, "unknown_label", "x\t7"),
        (5, "empty_text", " \t1"),
    ]


@pytest.mark.usefixtures("small_blocks")
def test_record_numbers_do_not_depend_on_the_cut(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    for part in ("b", "a"):
        lines = "".join(f"{part} text {number} {'x' * (number % 90)}\t{number % 2}\n" for number in range(200))
        (tmp_path / f"{part}.tsv").write_text(lines, encoding="utf-8")
    pipeline = make_pipeline(entry("s", tmp_path / "*.tsv", 'format = "tsv"\ncolumns = ["text", "label"]'))

    ingest(spark, pipeline)

    expected = [
        (f"{part}.tsv", number, f"{part} text {number} {'x' * (number % 90)}") for part in "ab" for number in range(200)
    ]
    assert table(spark, pipeline, "corpus", "file", "position", "text") == expected


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("header", [False, True])
def test_quoted_records_cross_blocks(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path, header: bool
) -> None:
    rng = random.Random(7)
    shreds = ["a", "\n", '"', ",", "\n\n", "some longer words ", "\r\n", "é"]
    rows = [("x" + "".join(rng.choices(shreds, k=rng.randint(0, 60))) + "x", str(n % 3)) for n in range(120)]
    rows[50] = ("y" + '\n"line, of text' * 400, "1")  # one record that spans several blocks
    with (tmp_path / "c.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("text", "label")] * header + rows)
    rest = 'format = "csv"\n' + ("header = true" if header else 'columns = ["text", "label"]')
    pipeline = make_pipeline(entry("c", tmp_path / "c.csv", rest))

    result = ingest(spark, pipeline)

    assert (result["c"].records, result["c"].rejected) == (120, 0)
    expected = [(number, text, label) for number, (text, label) in enumerate(rows)]
    assert table(spark, pipeline, "corpus", "position", "text", "label") == expected


@pytest.mark.usefixtures("small_blocks")
def test_a_quote_that_never_closes_costs_its_line_alone(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    (tmp_path / "c.csv").write_text("good,1\n" * 500 + '"never closed,1\n' + "resumed,1\n" * 500, encoding="utf-8")
    pipeline = make_pipeline(entry("c", tmp_path / "c.csv", 'format = "csv"\ncolumns = ["text", "label"]'))

    result = ingest(spark, pipeline)

    assert result["c"] == Counts(1001, 1000, 1, {"unclosed_quote": 1}, lines=1001, header_lines=0, reject_lines=1)
    assert table(spark, pipeline, "corpus_rejects", "position", "lines", "raw") == [(500, 1, '"never closed,1')]


def test_an_oversized_record_is_refused_wherever_it_ends(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    (tmp_path / "o.tsv").write_text(f"good\t1\n{'x' * 3_000_000}\t1\ngood\t0\n", encoding="utf-8")
    pipeline = make_pipeline(entry("o", tmp_path / "o.tsv", 'format = "tsv"\ncolumns = ["text", "label"]'))

    result = ingest(spark, pipeline)

    assert result["o"] == Counts(3, 2, 1, {"oversized_record": 1}, lines=3, header_lines=0, reject_lines=1)
    assert table(spark, pipeline, "corpus_rejects", "raw") == [("x" * 1000,)]


def test_formats_side_by_side(spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path) -> None:
    lines = [json.dumps({"body": "half a pair \ud800", "y": "1"}), json.dumps({"body": "whole \U0001f600", "y": 1})]
    (tmp_path / "j.jsonl").write_text("\n".join(lines), encoding="utf-8")
    spark.createDataFrame([(f"text {n}", n % 2, n) for n in range(20)], "words string, y int, n int").repartition(
        3
    ).write.parquet(str(tmp_path / "p"))
    spark.createDataFrame([("one", True), (None, True), ("two", None)], "text string, label boolean").coalesce(
        1
    ).write.format("delta").save(str(tmp_path / "d"))
    pipeline = make_pipeline(
        entry("j", tmp_path / "j.jsonl", 'format = "jsonl"\ntext = "body"\nlabel = "y"')
        + entry("p", tmp_path / "p", 'format = "parquet"\ntext = "words"\nlabel = "y"')
        + entry("d", tmp_path / "d", 'format = "delta"')
    )

    result = ingest(spark, pipeline)

    assert result["j"] == Counts(2, 1, 1, {"undecodable_bytes": 1}, lines=2, header_lines=0, reject_lines=1)
    assert result["p"] == Counts(20, 20, 0, {})
    assert result["d"] == Counts(3, 1, 2, {"empty_text": 1, "missing_label": 1})
    corpus = table(spark, pipeline, "corpus", "source", "file", "position", "text", "label")
    assert len({row[:3] for row in corpus}) == 22
    assert ("j", "j.jsonl", 1, "whole \U0001f600", "1") in corpus
    assert [row[4] for row in corpus if row[0] == "d"] == ["true"]


def test_ingest_again_replaces_this_source_alone(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.tsv").write_text(f"{name} old\t1\nbad\n", encoding="utf-8")
    rest = 'format = "tsv"\ncolumns = ["text", "label"]'
    both = make_pipeline(entry("a", tmp_path / "a.tsv", rest) + entry("b", tmp_path / "b.tsv", rest))
    ingest(spark, both)
    (tmp_path / "a.tsv").write_text("a new\t1\n", encoding="utf-8")

    ingest_corpus(Workspace(spark, both), "again", [both.sources[0]])

    assert table(spark, both, "corpus", "source", "text") == [("a", "a new"), ("b", "b old")]
    assert table(spark, both, "corpus_rejects", "source") == [("b",)]


@pytest.mark.parametrize(
    ("path", "rest", "expected"),
    [
        ("missing.tsv", 'format = "tsv"\ncolumns = ["text", "label"]', "Source s cannot be read"),
        ("empty.tsv", 'format = "tsv"\ncolumns = ["text", "label"]', "Source s holds no records"),
        ("good.tsv", 'format = "parquet"', "Source s cannot be read"),
        ("good.tsv", 'format = "delta"', "Source s cannot be read"),
        ("good.tsv", 'format = "tsv"\nheader = true', "The header of source s lacks a column"),
        ("numbers", 'format = "parquet"', "Source s has no usable text column"),
    ],
)
def test_unusable_input_changes_nothing(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path, path: str, rest: str, expected: str
) -> None:
    (tmp_path / "good.tsv").write_text("good\t1\n", encoding="utf-8")
    (tmp_path / "empty.tsv").touch()
    spark.range(3).withColumnRenamed("id", "text").write.parquet(str(tmp_path / "numbers"))
    good = make_pipeline(entry("s", tmp_path / "good.tsv", 'format = "tsv"\ncolumns = ["text", "label"]'))
    ingest(spark, good)
    version = Warehouse.of(good).location("corpus").version(spark)

    with pytest.raises(InputError, match=expected) as caught:
        ingest(spark, make_pipeline(entry("s", tmp_path / path, rest)))

    assert caught.value.exit_code == 3
    assert Warehouse.of(good).location("corpus").version(spark) == version
    assert not list((tmp_path / "warehouse").glob("_staging/*"))


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("rewritten", ["short\t1\n", "x\t1\n" * 300], ids=["shorter", "longer"])
def test_a_file_that_changes_while_it_is_read_leaves_the_table_as_it_was(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path, rewritten: str
) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("old\t1\n", encoding="utf-8")
    pipeline = make_pipeline(entry("a", file, 'format = "tsv"\ncolumns = ["text", "label"]'))
    ingest(spark, pipeline)
    file.write_text("a new text\t1\n" * 100, encoding="utf-8")
    look = look_at(spark, pipeline.sources[0])
    file.write_text(rewritten, encoding="utf-8")

    with pytest.raises(InputError, match="changed while"):
        publish(Workspace(spark, pipeline), [look], OddRecords(spark))

    assert table(spark, pipeline, "corpus", "text") == [("old",)]
    assert Warehouse.of(pipeline).location("corpus").version(spark) == 0
    if len(rewritten) < 100:  # after the failure of a task, Delta's writer leaves what others have written to VACUUM
        assert files_of_no_version(tmp_path / "warehouse", TABLES) == []


@pytest.mark.usefixtures("small_blocks", "blocks")
def test_odd_records_keep_their_numbers_among_plain_ones(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    lines = ["text\tlabel"] + [f"\u2003text {n}\t1" if n % 7 == 0 else f"text {n}\t1" for n in range(500)]
    lines[100] = "no label"
    (tmp_path / "h.tsv").write_text("\n".join(lines), encoding="utf-8")
    pipeline = make_pipeline(entry("h", tmp_path / "h.tsv", 'format = "tsv"\nheader = true'))

    result = ingest(spark, pipeline)

    assert (result["h"].records, result["h"].rejected) == (500, 1)
    assert table(spark, pipeline, "corpus_rejects", "position", "raw") == [(99, "no label")]
    expected = [(n, line.split("\t")[0]) for n, line in enumerate(lines[1:]) if n != 99]
    assert table(spark, pipeline, "corpus", "position", "text") == expected


def test_real_files_lose_nothing(spark: SparkSession, make_pipeline: MakePipeline, data: Path) -> None:
    tsv = 'format = "tsv"\nlabels = ["0", "1"]\ncolumns = ["text", "label"]'
    pipeline = make_pipeline(
        entry("yelp", data / "uci/yelp_labelled.txt", tsv)
        + entry("amazon", data / "uci/amazon_cells_labelled.txt", tsv)
        + entry("imdb", data / "uci/imdb_labelled.txt", tsv)
        + entry("sms", data / "sms_spam/SMSSpamCollection", 'format = "tsv"\ncolumns = ["label", "text"]')
        + entry(
            "trec",
            data / "trec/TREC.*",
            "format = 'text'\nencoding = 'latin-1'\npattern = '(?P<label>\\w+):\\S+ (?P<text>.*)'",
        )
    )

    result = ingest(spark, pipeline)

    assert {name: (counts.accepted, counts.rejected) for name, counts in result.items()} == {
        "yelp": (1000, 0),
        "amazon": (1000, 0),
        "imdb": (1000, 0),
        "sms": (5574, 0),
        "trec": (5952, 0),
    }
    corpus = Warehouse.of(pipeline).location("corpus").read(spark)
    assert {row["label"] for row in corpus.where("source = 'sms'").select("label").collect()} == {"ham", "spam"}
    assert corpus.where("source = 'trec'").select("label").distinct().count() == 6
    # U+0085 is a line break for str.splitlines, but not in the file.
    assert corpus.where("source = 'imdb' AND text LIKE '%\u0085%'").count() == 2
