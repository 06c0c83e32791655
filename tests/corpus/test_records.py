"""One record in, a labelled text or a reason out."""

from typing import Any

import pytest

from textclf.config import Source
from textclf.corpus.records import Reason, parser, raw_text


def source(**keys: Any) -> Source:
    base = {"name": "s", "path": "p", "format": "tsv", "columns": ["text", "label"]}
    return Source(**(base | keys))


TSV = source()
CSV = source(format="csv", columns=["label", "text"])
JSON = source(format="jsonl", columns=None, text="body", label="stars")
TREC = source(format="text", columns=None, encoding="latin-1", pattern=r"(?P<label>\w+):\S+ (?P<text>.*)")


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        (TSV, b'It was 5" long, "really.  \t1', ('It was 5" long, "really.  ', "1")),
        (TSV, "one\u0085two\u00a0three\t 0 \r".encode(), ("one\u0085two\u00a0three", "0")),
        (CSV, b'1,"a ""quoted"" word, and\na second line"', ('a "quoted" word, and\na second line', "1")),
        (CSV, b'1,5" nails\r', ('5" nails', "1")),
        (JSON, b'{"body": "caf\\u00e9", "stars": 4, "other": null}', ("café", "4")),
        (JSON, b'{"body": "x", "stars": true}', ("x", "true")),
        (TREC, b"DESC:manner How did serfdom leave Russia ?", ("How did serfdom leave Russia ?", "DESC")),
        (TREC, b"LOC:other Where is \xe9 ?", ("Where is é ?", "LOC")),
    ],
)
def test_good_records(kind: Source, raw: bytes, expected: tuple[str, str]) -> None:
    assert parser(kind)(raw) == (*expected, None)


@pytest.mark.parametrize(
    ("kind", "raw", "reason"),
    [
        (TSV, b"", Reason.BLANK_RECORD),
        (TSV, b"\r", Reason.BLANK_RECORD),
        (TSV, b"only text", Reason.MISSING_COLUMN),
        (TSV, b"a\tb\t1", Reason.EXTRA_COLUMN),
        (TSV, b"caf\xe9\t1", Reason.UNDECODABLE_BYTES),
        (TSV, b" \xc2\xa0 \t1", Reason.EMPTY_TEXT),
        (TSV, b"\t1", Reason.EMPTY_TEXT),
        (TSV, b"text\t ", Reason.MISSING_LABEL),
        (source(labels=["0", "1"]), b"text\t2", Reason.UNKNOWN_LABEL),
        (source(max_record_bytes=10), b"0123456789\t1", Reason.OVERSIZED_RECORD),
        (CSV, b"1,a\rb", Reason.MALFORMED_CSV),
        (JSON, b'{"body": "x"', Reason.INVALID_JSON),
        (JSON, b'["x"]', Reason.INVALID_JSON),
        (JSON, b'{"body": 5, "stars": "1"}', Reason.INVALID_JSON),
        (JSON, b'{"stars": "1"}', Reason.MISSING_COLUMN),
        (JSON, b'{"body": "x"}', Reason.MISSING_LABEL),
        (JSON, b"[" * 100_000, Reason.INVALID_JSON),
        (JSON, b"9" * 10_000, Reason.INVALID_JSON),
        (TREC, b"no label here", Reason.NO_MATCH),
    ],
)
def test_bad_records_say_why(kind: Source, raw: bytes, reason: Reason) -> None:
    assert parser(kind)(raw) == (None, None, reason)


def test_the_kept_part_of_a_record_fits_any_table() -> None:
    assert raw_text(b"caf\xe9", "utf-8") == "caf\ufffd"
    assert len(raw_text("€".encode() * 5000, "utf-8")) == 1000
