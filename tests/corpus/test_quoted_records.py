"""Quoted records are the same for every cut of a file, and agree with a simple reader and Python's csv module."""

import csv
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.simple_csv import simple_records
from textclf.config import Source
from textclf.corpus.lines.quoted_records import Outcome, Quoting, outcome
from textclf.corpus.local.reader import Record, read_records, split_lines
from textclf.formats.csv_fields import field_splitter
from textclf.formats.reject_reasons import Reason

COMMA = Quoting(b",")
BORDERS = {Reason.OVERSIZED_RECORD, Reason.BLANK_RECORD, Reason.MALFORMED_CSV, Reason.UNCLOSED_QUOTE}


def source(escape: str | None = None, limit: int = 1 << 20, separator: str = ",") -> Source:
    columns = ["text", "label"]
    return Source(
        name="s", path="p", format="csv", columns=columns, escape=escape, max_record_bytes=limit, delimiter=separator
    )


def every_cut(lines: int) -> Iterator[tuple[int, ...]]:
    for count in range(lines):
        yield from itertools.combinations(range(1, lines), count)


def check(text: str, kind: Source, cuts: list[tuple[int, ...]] | None = None) -> None:
    """Check that the records are those of the simple reader, and the same for every cut."""
    data = f"{text}\n\n".encode()  # at least two lines, since a single line with carriage returns is refused
    lines = split_lines(kind, data)
    found = list(read_records(kind, data))
    expected = simple_records(f"{text}\n\n", kind.separator, kind.escape, kind.max_record_bytes)

    borders = [(each.line, each.lines, each.parsed.reason if each.parsed.reason in BORDERS else None) for each in found]
    assert borders == [(each.line, each.lines, each.reason) for each in expected]
    assert [each.position for each in found] == list(range(len(found)))
    assert sum(each.lines for each in found) == len(lines)
    for record, simple in zip(found, expected, strict=True):
        fields = simple.fields or []
        good = len(fields) == 2 and all(map(str.strip, fields))
        assert record.parsed[:2] == ((fields[0], fields[1].strip()) if good else (None, None))
    for cut in every_cut(len(lines)) if cuts is None else cuts:
        assert list(read_records(kind, data, cut)) == found, cut


def test_a_field_is_quoted_that_begins_with_a_quote_and_no_other() -> None:
    assert outcome(b'1,"5 nails', COMMA, inside=False) is Outcome.OPEN
    assert outcome(b'"a","b"\r', COMMA, inside=False) is Outcome.ENDS
    assert outcome(b'both "" kinds", of it', COMMA, inside=True) is Outcome.ENDS
    assert outcome(b'a",b,"c', COMMA, inside=True) is Outcome.OPEN


@pytest.mark.parametrize(
    "line", [b'5" nails,1', b'a, "b"', b'"a"b,1', b'"a" ,1', b'a,b"', b'"a""b"c,1', b"a\rb,1", b"a,1\r\r", b'"a"\r,1']
)
def test_other_quotes_and_returns_are_malformed(line: bytes) -> None:
    (record,) = (
        read_records(source(), line + b"\n") if b"\r" not in line else list(read_records(source(), line + b"\n\n"))[:1]
    )
    assert record.parsed.reason is Reason.MALFORMED_CSV
    assert outcome(line, COMMA, inside=False) is Outcome.MALFORMED


@pytest.mark.parametrize(("alphabet", "escape"), [('",a\n', None), ('",\\\n', "\\"), ('",\r\n', None)])
@pytest.mark.parametrize("limit", [4, 1000])
def test_every_short_file_is_read_as_the_simple_reader_reads_it(alphabet: str, escape: str | None, limit: int) -> None:
    kind = source(escape, limit)
    for length in range(1, 5):
        for characters in itertools.product(alphabet, repeat=length):
            check("".join(characters), kind)


PIECES = ['"', '""', ",", "\n", "a", " ", "\\", '\\"', "\r", "\r\n", '","', '"a",1\n', "\n\n", '"b\n', "bbbbb"]


@given(
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.sampled_from([None, "\\"]),
    st.sampled_from([3, 7, 12, 20, 1000]),
    st.data(),
)
def test_files_are_read_as_the_simple_reader_reads_them_however_they_are_cut(
    text: str, escape: str | None, limit: int, data: st.DataObject
) -> None:
    kind = source(escape, limit)
    lines = text.count("\n") + 2
    cuts = st.sets(st.integers(1, lines - 1)).map(lambda places: tuple(sorted(places)))
    check(text, kind, [data.draw(cuts) for _ in range(4)] + [tuple(range(1, lines))])


@given(st.lists(st.sampled_from(['"', '""', ",", "\n", "a", " ", "\\", "é"]), min_size=1, max_size=30).map("".join))
def test_what_is_accepted_the_csv_module_reads_alike(record: str) -> None:
    fields = field_splitter(",")(record)
    if fields is not None and "\n" not in record:
        assert [fields] == list(csv.reader([record], strict=True))
    elif fields is not None:
        assert fields == next(csv.reader(record.splitlines(keepends=True), strict=True)) or '"' not in record


@given(st.lists(st.text(alphabet='",a\n\r \\é', max_size=8), min_size=2, max_size=4), st.sampled_from([None, "\\"]))
def test_any_fields_come_back_from_what_a_writer_made_of_them(fields: list[str], escape: str | None) -> None:
    doubled = ",".join('"{}"'.format(field.replace('"', '""')) for field in fields)
    escaped = ",".join('"{}"'.format(field.replace("\\", "\\\\").replace('"', '\\"')) for field in fields)
    assert field_splitter(",", escape)(escaped if escape else doubled) == fields


def test_a_quote_that_never_closes_costs_its_line_alone() -> None:
    good = [f'"text {number}",1' for number in range(50)]
    lines = [*good[:20], 'open,"quote', *good[20:]]

    found = list(read_records(source(), "\n".join(lines).encode()))

    refused = [record for record in found if record.parsed.reason is not None]
    assert [(each.line, each.lines, each.parsed.reason) for each in refused] == [(20, 1, Reason.MALFORMED_CSV)]
    assert len(found) == 51


def test_quotes_escaped_by_a_backslash_need_the_key() -> None:
    data = b'"He said \\"hi\\" and left",pos\n"then, \\"quoted\\"",neg\n"a \\\\",pos\nC:\\dir,neg\n'

    without = [record.parsed.reason for record in read_records(source(), data)]
    with_key = [record.parsed[:2] for record in read_records(source("\\"), data)]

    assert without == [Reason.MALFORMED_CSV, Reason.MALFORMED_CSV, None, None]
    assert with_key == [
        ('He said "hi" and left', "pos"),
        ('then, "quoted"', "neg"),
        ("a \\", "pos"),
        ("C:\\dir", "neg"),
    ]


def test_a_record_of_many_lines_is_one_reject() -> None:
    data = b'"one\ntwo\nthree",1,extra\nnext,1\n'
    found: list[Record] = list(read_records(source(), data))
    assert [(each.line, each.lines, each.parsed.reason) for each in found] == [
        (0, 3, Reason.EXTRA_COLUMN),
        (3, 1, None),
    ]
