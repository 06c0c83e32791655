"""Sources as files and folders: which files are read, and which values of their columns are labels."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType, DoubleType, FloatType

from jobs import ingest_corpus as job
from tests.factories.ingests import entry, ingest, table
from tests.factories.pipeline_folder import RunJob
from textclf.config import Pipeline
from textclf.corpus.lines.number_columns import whole_column
from textclf.errors import InputError
from textclf.formats.number_labels import number_label, written_label
from textclf.storage import Warehouse

MakePipeline = Callable[[str], Pipeline]
TSV = 'format = "tsv"\ncolumns = ["label", "text"]'


def write(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def lines(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"1\t{text}\n" for text in texts))


def test_subfolders_are_ingested_and_skipped_names_are_said(
    spark: SparkSession, write_config: Callable[[str], Path], run_job: RunJob, tmp_path: Path
) -> None:
    root = tmp_path / "data [1] {x}"
    lines(root / "a.tsv", "a0", "a1")
    lines(root / "2025" / "a.tsv", "b0")
    lines(root / "value=abc" / "a.tsv", "c0")
    lines(root / "x=1" / "y" / "a, b%20.tsv", "d0")
    lines(root / "_c.tsv", "left out")
    lines(root / "2025" / "_old" / "d.tsv", "left out")
    config = write_config(entry("s", root, TSV) + entry("flat", root, f"{TSV}\nrecursive = false"))
    code, record, said = run_job(job, "--config", config)
    assert code == 0
    sources = record["details"]["sources"]
    assert [sources[name]["records"] for name in ("s", "flat")] == [5, 3]
    assert sources["s"]["skipped"] == {"files": 1, "folders": 1, "names": ["_c.tsv", "2025/_old/"]}
    assert "source s: 1 file and 1 folder skipped" in said
    assert "_c.tsv, 2025/_old/" in said
    place = Warehouse(str(tmp_path / "warehouse"), None, "").location("corpus")
    rows = place.read(spark).where("source = 's'").select("file", "position", "text", "label").collect()
    assert sorted(map(tuple, rows)) == [
        ("2025/a.tsv", 0, "b0", "1"),
        ("a.tsv", 0, "a0", "1"),
        ("a.tsv", 1, "a1", "1"),
        ("value=abc/a.tsv", 0, "c0", "1"),
        ("x=1/y/a, b%20.tsv", 0, "d0", "1"),
    ]


def test_labels_from_folders_are_texts(spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path) -> None:
    labels = ("001", "002", "1d", "1e3", "2026-01-05")
    for label in labels:
        write(tmp_path / "s" / f"label={label}" / "a.parquet", text=[f"text {label}"])
    pipeline = make_pipeline(entry("s", tmp_path / "s", 'format = "parquet"'))
    for more in ((), ("none",)):
        for label in more:
            write(tmp_path / "s" / f"label={label}" / "a.parquet", text=[f"text {label}"])
        ingest(spark, pipeline)
        assert table(spark, pipeline, "corpus", "label", "text") == [
            (label, f"text {label}") for label in sorted((*labels, *more))
        ]


def test_labels_that_were_inferred_are_kept_or_moved_by_a_key(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    for label in ("001", "7"):
        write(tmp_path / "s" / f"label={label}" / "a.parquet", text=[f"text {label}"])

    def pipeline(key: str = "") -> Pipeline:
        return make_pipeline(entry("s", tmp_path / "s", f'format = "parquet"\n{key}'))

    ingest(spark, pipeline('partition_types = "inferred"'))
    assert table(spark, pipeline(), "corpus", "label", "text") == [("1", "text 001"), ("7", "text 7")]
    with pytest.raises(InputError, match="Labels of source s would change") as caught:
        ingest(spark, pipeline())
    assert "label=001, which was 1" in str(caught.value)
    assert 'partition_types = "inferred"' in str(caught.value)
    assert table(spark, pipeline(), "corpus", "label", "text") == [("1", "text 001"), ("7", "text 7")]
    for key in ('partition_types = "text"', ""):
        ingest(spark, pipeline(key))
        assert table(spark, pipeline(), "corpus", "label", "text") == [("001", "text 001"), ("7", "text 7")]


def test_columns_with_signs_in_their_names_are_the_sources(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    rows = {"review.text": ["right"], "review": [{"text": "wrong"}], "a`b": ["1"], "*": ["0"], "_metadata": ["2"]}
    write(tmp_path / "p.parquet", **rows)
    spark.read.parquet(str(tmp_path / "p.parquet")).write.format("delta").option(
        "delta.columnMapping.mode", "name"
    ).save(str(tmp_path / "d"))
    body = "".join(
        entry(f"{name}{at}", tmp_path / path, f'format = "{kind}"\ntext = "review.text"\nlabel = "{label}"')
        for name, path, kind in (("p", "p.parquet", "parquet"), ("d", "d", "delta"))
        for at, label in enumerate(("a`b", "*", "_metadata"))
    )
    pipeline = make_pipeline(body)
    ingest(spark, pipeline)
    assert table(spark, pipeline, "corpus", "source", "text", "label") == [
        (f"{name}{at}", "right", label) for name in "dp" for at, label in enumerate("102")
    ]


NUMBERS = (0.0, 1.0, -0.0, -1.0, 0.5, 1e15, 1e16, 1e20, 1e23, 2.0**53, -(2.0**53) - 2, 1.5e300, 16777217.0, 1e-300)
NOT_NUMBERS = (float("nan"), float("inf"), float("-inf"))
DECIMALS = tuple(map(Decimal, ("1.0", "-0.0", "2.50", "123456789012345678.0", "100000000000000000.01", "-3.00")))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (DoubleType(), (*NUMBERS, *NOT_NUMBERS)),
        (FloatType(), (*NUMBERS[:9], *NOT_NUMBERS)),
        (DecimalType(20, 2), DECIMALS),
    ],
    ids=["double", "float", "decimal"],
)
def test_whole_numbers_are_the_integers_text_in_spark_and_in_python(
    spark: SparkSession, kind: DoubleType | FloatType | DecimalType, values: tuple[Any, ...]
) -> None:
    numbers = spark.createDataFrame([(value,) for value in (*values, None)], f"number {kind.simpleString()}")
    text, whole = whole_column(F.col("number"), kind)
    for row in numbers.select("number", text.alias("text"), F.coalesce(whole, F.lit(False)).alias("whole")).collect():
        expected = None if row["number"] is None else number_label(str(Decimal(row["number"])))
        assert (written_label(row["text"]) if row["text"] is not None else None) == expected
        assert row["text"] == expected or not row["whole"]


# A remainder by Python needs as many digits as its context has, 28.
THOUSANDTHS = st.decimals(-(10**24), 10**24, allow_nan=False, allow_infinity=False, places=3)


@given(st.floats() | st.integers().map(float) | THOUSANDTHS)
def test_a_whole_number_is_its_integers_text(number: float | Decimal) -> None:
    text = number_label(str(number))
    assert (text is None) == (number != number or number in NOT_NUMBERS or number % 1 != 0)
    if text is not None:
        assert type(number)(text) == number
        assert not text.startswith("-0")


@pytest.mark.parametrize("kind", ["double", "float", "decimal(24,2)"])
def test_labels_that_are_no_integers_are_refused_with_the_label(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path, kind: str
) -> None:
    values = [("a", "1.0"), ("b", "0"), ("c", "2.50"), ("d", "100000000000000000000"), ("e", None), ("", "1.5")]
    values += [("f", "NaN"), ("g", "-Infinity")] if kind != "decimal(24,2)" else []
    rows = spark.createDataFrame(values, "text string, label string")
    rows.select("text", F.col("label").cast(kind)).coalesce(1).write.parquet(str(tmp_path / "s"))
    pipeline = make_pipeline(entry("s", tmp_path / "s", 'format = "parquet"'))
    counts = ingest(spark, pipeline)["s"]
    whole = "100000002004087734272" if kind == "float" else "100000000000000000000"
    assert table(spark, pipeline, "corpus", "text", "label") == [("a", "1"), ("b", "0"), ("d", whole)]
    assert counts.reasons["fractional_label"] == (1 if kind == "decimal(24,2)" else 3)
    refused = table(spark, pipeline, "corpus_rejects", "raw", "reason")
    assert {float(str(raw)) for raw, reason in refused if reason == "fractional_label"} >= {2.5}
    assert {reason for _, reason in refused} == {"fractional_label", "missing_label", "empty_text"}
