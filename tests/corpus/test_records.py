"""Each record gives a labelled text or a reason for its rejection."""

from typing import Any

import pytest
from pydantic import ValidationError

from textclf.config import Source
from textclf.corpus.lines.records import Reason, parser, raw_text


def source(**keys: Any) -> Source:
    base = {"name": "s", "path": "p", "format": "tsv", "columns": ["text", "label"]}
    return Source(**(base | keys))


TSV = source()
CSV = source(format="csv", columns=["label", "text"])
JSON = source(format="jsonl", columns=None, text="body", label="stars")
ZEROS = (b"0e400", b"-0e400", b"0e-400", b"0.00e9", b"0E+99999999999999999999", b"-0.0e-99999999999999999999")
TREC = source(format="text", columns=None, encoding="latin-1", pattern=r"(?P<label>\w+):\S+ (?P<text>.*)")


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        (TSV, b'It was 5" long, "really.  \t1', ('It was 5" long, "really.  ', "1")),
        (TSV, "one\u0085two\u00a0three\t 0 \r".encode(), ("one\u0085two\u00a0three", "0")),
        (CSV, b'1,"a ""quoted"" word, and\na second line"', ('a "quoted" word, and\na second line', "1")),
        (CSV, b'1,"5"" nails"\r', ('5" nails', "1")),
        (CSV, b"1, blanks stay ", (" blanks stay ", "1")),
        (source(format="csv", escape="\\"), b'"5\\" nails, C:\\x\\\\, ""so""",1', ('5" nails, C:\\x\\, "so"', "1")),
        (JSON, b'{"body": "caf\\u00e9", "stars": 4, "other": null}', ("café", "4")),
        (JSON, b'{"body": "x", "stars": true}', ("x", "true")),
        (JSON, b'{"body": "x", "stars": 1.0}', ("x", "1")),
        (JSON, b'{"body": "x", "stars": -0.0}', ("x", "0")),
        *((JSON, b'{"body": "x", "stars": ' + zero + b"}", ("x", "0")) for zero in ZEROS),
        (JSON, b'{"body": "x", "stars": 1e20}', ("x", "100000000000000000000")),
        (JSON, b'{"body": "x", "stars": 12345678901234567890.0}', ("x", "12345678901234567890")),
        (JSON, b'{"body": "x", "stars": "1.0"}', ("x", "1.0")),
        (JSON, b'{"body": "x", "stars": "\\u2003a\\u00a0"}', ("x", "a")),
        (JSON, b'{"body": "x", "stars": 1, "n": {"body": 1, "stars": 2}, "o": 1, "o": 2}', ("x", "1")),
        (JSON, b'{"body": "x", "stars": 1, "other": [-Infinity, NaN]}', ("x", "1")),
        (JSON, b'{"body": "x", "stars": 1, "other": ' + b"1" * 5000 + b"}", ("x", "1")),
        (JSON, b'{"body": "x", "stars": 1.0, "other": ' + b"1" * 5000 + b"}", ("x", "1")),
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
        (CSV, b'1,5" nails', Reason.MALFORMED_CSV),
        (CSV, b'"1", "blank before"', Reason.MALFORMED_CSV),
        (CSV, b'1,"closed" and more', Reason.MALFORMED_CSV),
        (CSV, b'1,"open', Reason.MALFORMED_CSV),
        (TSV, b"a\0b\t1", Reason.NUL_CHARACTER),
        (TSV, b"a\t\0", Reason.NUL_CHARACTER),
        (source(labels=["0"]), b"a\t\x001", Reason.NUL_CHARACTER),
        (CSV, b'1,"a\0"', Reason.NUL_CHARACTER),
        (JSON, b'{"body": "a\\u0000", "stars": 1}', Reason.NUL_CHARACTER),
        (JSON, b'{"body": "x", "stars": 1.5}', Reason.FRACTIONAL_LABEL),
        (JSON, b'{"body": "x", "stars": 1e400}', Reason.FRACTIONAL_LABEL),
        (JSON, b'{"body": "x", "stars": ' + b"1" * 5000 + b"}", Reason.FRACTIONAL_LABEL),
        (JSON, b'{"body": ' + b"1" * 5000 + b', "stars": 1}', Reason.INVALID_JSON),
        (JSON, b'{"body": "x", "stars": 1e99999999999999999999}', Reason.FRACTIONAL_LABEL),
        (JSON, b'{"body": "x", "stars": 1e-400}', Reason.FRACTIONAL_LABEL),
        (JSON, b'{"body": "x", "stars": NaN}', Reason.FRACTIONAL_LABEL),
        (JSON, b'{"body": NaN, "stars": 1, "other": NaN}', Reason.INVALID_JSON),
        (JSON, b'{"body": "x", "body": "y", "stars": 1}', Reason.INVALID_JSON),
        (JSON, b'{"body": "x", "stars": 1, "\\u0073tars": 1}', Reason.INVALID_JSON),
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


def test_labels_are_labels_without_the_blanks_around_them() -> None:
    kind = source(labels=[" 0", "1 "])
    assert kind.labels == ["0", "1"]
    assert parser(kind)(b"text\t 1") == ("text", "1", None)


@pytest.mark.parametrize("labels", [["1", " 1"], [" "], ["a\0"], [""]])
def test_labels_that_no_records_can_tell_apart_are_a_mistake(labels: list[str]) -> None:
    with pytest.raises(ValidationError, match=r"expected (distinct )?labels"):
        source(labels=labels)


@pytest.mark.parametrize(
    "encoding",
    [
        *("utf-7", "UTF7", "hz", "iso-2022-jp", "iso2022_jp_2", "ISO-2022-KR", "utf-16", "utf-16le", "u32"),
        *("utf_8_sig", "cp037", "unicode_escape", "raw_unicode_escape", "punycode", "idna", "rot13", "no-such"),
    ],
)
def test_encodings_that_lines_cannot_be_found_in_are_a_mistake(encoding: str) -> None:
    with pytest.raises(ValidationError, match=r"iconv -f|write encoding|encoding known to Python"):
        source(encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "U8", "latin-1", "cp1252", "shift_jis", "gb18030", "koi8-r", "johab"])
def test_encodings_that_extend_ascii_are_fine(encoding: str) -> None:
    assert source(encoding=encoding, format="csv").encoding == encoding


@pytest.mark.parametrize(
    "keys",
    [
        {"delimiter": "\u00a6", "encoding": "ascii"},
        {"delimiter": "\u2016", "encoding": "latin-1"},
        {"delimiter": "|", "encoding": "shift_jis", "format": "csv"},  # also the second byte of some characters
        {"escape": "\\", "encoding": "gb18030", "format": "csv"},
        {"delimiter": "\n"},
        {"delimiter": '"', "format": "csv"},
        {"escape": '"', "format": "csv"},
        {"escape": ",", "format": "csv"},
        {"escape": "\u00e9", "format": "csv"},
        {"escape": "ab", "format": "csv"},
        {"escape": "\\"},  # tsv has no quotes
        {"columns": ["text", "label", "text"]},
    ],
)
def test_signs_that_cannot_be_told_apart_are_a_mistake(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(**keys)


def test_a_delimiter_within_other_characters_is_fine_where_records_are_lines() -> None:
    kind = source(delimiter="|", encoding="shift_jis")
    assert parser(kind)("\u30dd|1".encode("shift_jis")) == ("\u30dd", "1", None)
