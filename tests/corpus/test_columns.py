"""Whole columns at once must read as one record at a time does."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.config import Source
from textclf.corpus.columns import column_splitter
from textclf.corpus.records import parser


def source(**keys: Any) -> Source:
    base = {"name": "s", "path": "p", "format": "tsv", "columns": ["text", "label"]}
    return Source(**(base | keys))


SOURCES = [
    source(),
    source(labels=["0", "1"]),
    source(columns=["label", "other", "text"], format="csv", quoting=False, max_record_bytes=12),
]
FIELDS = st.sampled_from(
    ["0", "1", " 1", "1\r", "", " ", "\u00a0", "\u0085", "\u2003", "text", "é", '"', "\x00", "\x1c"]
)
LINES = st.one_of(
    st.lists(FIELDS, max_size=4).map(lambda fields: "\t".join(fields).encode()),
    st.lists(FIELDS, max_size=4).map(lambda fields: ",".join(fields).encode()),
    st.binary(max_size=15),
)


@pytest.mark.parametrize("wanted", SOURCES, ids=["any label", "a label set", "csv without quoting"])
@given(lines=st.lists(LINES, min_size=1, max_size=12))
def test_a_good_row_is_what_the_parser_reads(wanted: Source, lines: list[bytes]) -> None:
    split, parse = column_splitter(wanted, None), parser(wanted)
    assert split is not None

    good, texts, labels = split(pa.array(lines, pa.binary()))

    for line, is_good, text, label in zip(lines, good, texts.to_pylist(), labels.to_pylist(), strict=True):
        if is_good:
            assert parse(line) == (text, label, None)


def test_plain_records_are_good() -> None:
    split = column_splitter(source(labels=["0", "1"]), None)
    assert split is not None

    good, texts, labels = split(pa.array([b" a text \t1", "é\t0".encode(), b"x\t2", b"x"], pa.binary()))

    assert good.tolist() == [True, True, False, False]
    assert (texts.to_pylist()[:2], labels.to_pylist()[:2]) == ([" a text ", "é"], ["1", "0"])


@pytest.mark.parametrize("other", [{"format": "csv"}, {"encoding": "latin-1"}, {"quoting": True}])
def test_other_sources_are_read_one_by_one(other: dict[str, Any]) -> None:
    assert column_splitter(source(**other), None) is None
