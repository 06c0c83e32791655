"""Records that Spark accepts on the fast path have the same values as from the parser."""

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from textclf.config import Source
from textclf.corpus.lines.fast_path import plain_columns, plain_lines
from textclf.corpus.lines.records import check, parser
from textclf.formats import FORMATS, Fields, SourceKeys
from textclf.formats.delimited import Tsv


def source(**keys: Any) -> Source:
    base = {"name": "s", "path": "p", "format": "tsv", "columns": ["text", "label"]}
    return Source(**(base | keys))


FIELDS = [
    "0",
    "1",
    " 1",
    "1\r",
    "1\u0085",
    "",
    "   ",
    "\u00a0",
    "\u2003",
    " text ",
    "é",
    "\U0001f600",
    '"',
    "\x00",
    "a\x00b",
]
SOURCES = {
    "any label": source(),
    "a label set": source(labels=["0", "1"]),
    "csv without quoting": source(
        columns=["label", "other", "text"], format="csv", quoting=False, max_record_bytes=12, delimiter="\u00a6"
    ),
    "one column for both": source(columns=["text"], label="text"),
}


def lines_for(wanted: Source) -> list[bytes]:
    """Return every pair of fields, many longer records, and bytes that are not text."""
    rng = random.Random(3)
    lines = [wanted.separator.join(pair).encode() for pair in itertools.product(FIELDS, FIELDS)]
    lines += [wanted.separator.join(rng.choices(FIELDS, k=rng.randint(0, 4))).encode() for _ in range(600)]
    lines += [rng.randbytes(rng.randint(1, 9)) for _ in range(200)]
    return [*lines, b"caf\xe9\t1", b"\xed\xa0\x80\t1", b"\xff"]


def found(frame: DataFrame, fields: dict[str, Column]) -> list[Any]:
    # A refused record may have invalid UTF-8, which cannot be collected from Spark.
    kept = (F.when(fields["good"], fields[name]).alias(name) for name in ("text", "label"))
    return frame.select(fields["good"].alias("good"), *kept).collect()


@pytest.mark.parametrize("wanted", SOURCES.values(), ids=list(SOURCES))
def test_a_good_line_is_what_the_parser_reads(spark: SparkSession, wanted: Source) -> None:
    lines = lines_for(wanted)
    frame = spark.createDataFrame([(line,) for line in lines], "value binary").select(F.col("value").cast("string"))
    parse = parser(wanted)

    rows = found(frame, plain_lines(wanted, None, F.col("value")))

    assert any(row["good"] for row in rows)
    for line, row in zip(lines, rows, strict=True):
        if row["good"]:
            assert parse(line) == (row["text"], row["label"], None)


def test_plain_records_are_good(spark: SparkSession) -> None:
    lines = [b" a text \t1", "é\t0".encode(), "\u6771\u4eac\t0".encode(), b"x\t2", b"x"]
    frame = spark.createDataFrame([(line,) for line in lines], "value binary").select(F.col("value").cast("string"))

    rows = found(frame, plain_lines(SOURCES["a label set"], None, F.col("value")))

    assert [tuple(row) for row in rows] == [
        (True, " a text ", "1"),
        (True, "é", "0"),
        (True, "\u6771\u4eac", "0"),
        (False, None, None),
        (False, None, None),
    ]


def test_a_good_row_of_a_column_is_what_the_check_accepts(spark: SparkSession) -> None:
    wanted = source(format="parquet", columns=None, labels=["0", "1"])
    pairs = list(itertools.product([*FIELDS, None], [*FIELDS, None]))
    frame = spark.createDataFrame(pairs, "text string, label string")

    rows = found(frame, plain_columns(wanted, F.col("text"), F.col("label")))

    assert any(row["good"] for row in rows)
    for (text, label), row in zip(pairs, rows, strict=True):
        if row["good"]:
            assert check(text, label, frozenset("01")) == (row["text"], row["label"], None)


@pytest.mark.parametrize("other", [{"format": "csv"}, {"encoding": "latin-1"}, {"quoting": True}])
def test_other_sources_are_read_one_by_one(spark: SparkSession, other: dict[str, Any]) -> None:
    frame = spark.createDataFrame([("text\t1",), ("text,1",)], "value string")

    rows = found(frame, plain_lines(source(**other), None, F.col("value")))

    assert not any(row["good"] for row in rows)


def test_a_delimited_format_with_fields_of_its_own_is_read_one_by_one(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Upper(Tsv):
        name = "upper"

        def fields(self, source: SourceKeys, columns: Sequence[str]) -> Fields:  # noqa: ARG002
            return lambda record: (record.upper(), "1")

    wanted = source().model_copy(update={"format": "upper"})
    monkeypatch.setitem(FORMATS, "upper", Upper())
    frame = spark.createDataFrame([(b"good\t1",)], "value binary")
    line = F.col("value").cast("string")
    assert frame.select(plain_lines(wanted, None, line)["good"]).collect() == [(False,)]
    assert parser(wanted)(b"good\t1")[:2] == ("GOOD\t1", "1")
