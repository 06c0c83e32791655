"""Sources share Spark jobs, but neither their records nor their faults; workers write files of the tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from tests.factories.ingests import entry, ingest, table
from tests.points import files_of_no_version
from textclf.config import Pipeline, Source
from textclf.corpus import ingest as ingest_module
from textclf.corpus.deliveries import DeliveryError
from textclf.corpus.ingest import ingest_corpus
from textclf.corpus.lines.first_counts import plan_of
from textclf.corpus.lines.line_blocks import Block, BlockPlan
from textclf.corpus.odd_records import _placed, read_odd
from textclf.errors import InputError
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse

TABLES = "corpus", "corpus_rejects"
MakePipeline = Callable[[str], Pipeline]


def test_odd_records_of_a_file_that_changed_are_missed(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look and the pass of the odd records, a line is lost from the beginning of a file."""
    file = tmp_path / "a.tsv"
    file.write_text("odd\n" * 3 + "good\t1\n" * 9, encoding="utf-8")
    pipeline = make_pipeline(entry("a", file, 'format = "tsv"\ncolumns = ["text", "label"]'))

    def late(*args: Any) -> Any:
        file.write_text("odd\n" * 2 + "good\t1\n" * 9, encoding="utf-8")
        return read_odd(*args)

    monkeypatch.setattr(ingest_module, "read_odd", late)
    with pytest.raises(InputError, match="Source a changed while it was read"):
        ingest(spark, pipeline)
    assert not Warehouse.of(pipeline).location("corpus").exists(spark)
    assert files_of_no_version(tmp_path / "warehouse", TABLES) == []


def test_rows_that_the_first_look_did_not_find_are_left_out() -> None:
    blocks = (Block(0, "a", 0, "a", -1, 3, first_row=7, key=-5), Block(1, "b", 0, "b", 0, 2, first_row=1 << 33, key=9))
    rows = [(-5, 7), (-5, 8), (-5, 9), (-5, 10), (-5, 6), (9, 1 << 33), (9, (1 << 33) + 2), (8, 7)]
    columns = [pa.array(column, pa.int64()) for column in zip(*rows, strict=True)]
    batch = pa.record_batch([*columns, pa.array([b"x"] * len(rows))], ["block", "row", "value"])

    (placed,) = _placed(BlockPlan(blocks), iter([batch]))

    assert placed.schema.names == ["block", "position", "value"]
    assert [tuple(row.values())[:2] for row in placed.to_pylist()] == [(0, 0), (0, 1), (1, 0)]


def test_blocks_that_hashes_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    source = Source(name="a", path=str(tmp_path), format="tsv", columns=["text", "label"])
    answer = [
        {
            "path": f"file:{tmp_path}/{name}",
            "start": 0,
            "block": 7,
            "begun": 1,
            "first_row": 0,
            "plain": 1,
            "returns": None,
        }
        for name in ("x", "y")
    ]
    with pytest.raises(InputError, match="cannot be told apart"):
        plan_of(source, answer, answer)  # type: ignore[arg-type]  # rows of Spark are read by name, too


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("together", [2, 32])
def test_sources_share_jobs_and_not_their_records(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    """Two of the sources are one file, which they read in two ways, and one has nothing that needs Python."""
    (tmp_path / "a.tsv").write_text('good\t1\n"b\tad"\t2\n\n', encoding="utf-8")
    (tmp_path / "b.csv").write_text('"two\nlines",1\nthree,0\n"bad\n', encoding="utf-8")
    (tmp_path / "c.tsv").write_text("text\tlabel\ngood\t1\n", encoding="utf-8")
    columns = 'columns = ["text", "label"]'
    pipeline = make_pipeline(
        entry("plain", tmp_path / "a.tsv", f'format = "tsv"\n{columns}')
        + entry("quoted", tmp_path / "a.tsv", f'format = "tsv"\nquoting = true\n{columns}')
        + entry("csv", tmp_path / "b.csv", f'format = "csv"\n{columns}')
        + entry("headed", tmp_path / "c.tsv", 'format = "tsv"\nheader = true')
    )
    monkeypatch.setattr(ingest_module, "_IN_ONE_JOB", together)

    counts = ingest(spark, pipeline)

    assert {name: (each.accepted, each.rejected) for name, each in counts.items()} == {
        "plain": (1, 2),
        "quoted": (2, 1),
        "csv": (2, 1),
        "headed": (1, 0),
    }
    assert table(spark, pipeline, "corpus", "source", "file", "position", "text", "label") == [
        ("csv", "b.csv", 0, "two\nlines", "1"),
        ("csv", "b.csv", 1, "three", "0"),
        ("headed", "c.tsv", 0, "good", "1"),
        ("plain", "a.tsv", 0, "good", "1"),
        ("quoted", "a.tsv", 0, "good", "1"),
        ("quoted", "a.tsv", 1, "b\tad", "2"),
    ]
    assert table(spark, pipeline, "corpus_rejects", "source", "position", "reason", "lines") == [
        ("csv", 2, "unclosed_quote", 1),
        ("plain", 1, "extra_column", 1),
        ("plain", 2, "blank_record", 1),
        ("quoted", 2, "blank_record", 1),
    ]


@pytest.mark.parametrize("quoting", ["true", "false"])
def test_a_source_that_cannot_be_read_does_not_stop_those_that_share_its_jobs(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path, quoting: str
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.tsv").write_text("good\t1\n\n", encoding="utf-8")
    (tmp_path / "packed.tsv.gz").write_bytes(b"not packed\t1\n")
    keys = f'format = "tsv"\nquoting = {quoting}\ncolumns = ["text", "label"]'
    names = {"a": "a.tsv", "packed": "packed.tsv.gz", "b": "b.tsv"}
    pipeline = make_pipeline("".join(entry(name, tmp_path / file, keys) for name, file in names.items()))

    with pytest.raises(DeliveryError, match="Source packed cannot be read") as caught:
        ingest(spark, pipeline)

    assert sorted(caught.value.published) == ["a", "b"]
    assert "Source packed cannot be read" in str(caught.value)
    assert "Source a" not in str(caught.value)
    assert table(spark, pipeline, "corpus", "source", "text") == [("a", "good"), ("b", "good")]
    assert table(spark, pipeline, "corpus_rejects", "source", "reason") == [
        ("a", "blank_record"),
        ("b", "blank_record"),
    ]


def test_a_refused_delivery_leaves_no_file(spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"good",1\nbad\nbad\n', encoding="utf-8")
    (tmp_path / "b.csv").write_text('"good",1\nbad\n', encoding="utf-8")
    keys = 'format = "csv"\ncolumns = ["text", "label"]'
    pipeline = make_pipeline(entry("a", tmp_path / "a.csv", keys) + entry("b", tmp_path / "b.csv", keys))

    with pytest.raises(DeliveryError, match="Source a has 2 of 3 records rejected"):
        ingest_corpus(Workspace(spark, pipeline), "run", pipeline.sources)

    assert table(spark, pipeline, "corpus", "source") == [("b",)]
    assert table(spark, pipeline, "corpus_refused", "source", "position") == [("a", 1), ("a", 2)]
    assert files_of_no_version(tmp_path / "warehouse", TABLES) == []
    assert not list((tmp_path / "warehouse").glob("_staging/*"))
