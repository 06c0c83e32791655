"""Record borders of quoted formats, against Python's csv module."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from textclf.corpus.quotes import QuoteScan, inside_after

SHREDS = st.lists(st.sampled_from(['"', '""', ",", "\n", "a", " "]), max_size=40).map("".join)


def test_a_quote_opens_a_field_only_at_its_beginning() -> None:
    assert not inside_after(b'5" nails,1', False, b",")
    assert inside_after(b'1,"5 nails', False, b",")
    assert not inside_after(b'both "" kinds" of it,1', True, b",")
    assert inside_after(b'a",b,"c', True, b",")


def records(text: str) -> int:
    """Number of records that Python's csv module finds, blank lines counted as it does not count them."""
    reader = csv.reader(io.StringIO(text, newline="\n"))
    return sum(1 for _ in reader)


@given(SHREDS)
def test_records_are_those_of_the_csv_module(text: str) -> None:
    scan = QuoteScan()

    scan.add([line.encode() for line in text.removesuffix("\n").split("\n")], b",")

    expected = records(text) if text else 1  # no text at all is one blank line to the scan
    assert scan.begun[0] == expected


@given(SHREDS, SHREDS)
def test_blocks_scanned_apart_chain_to_the_scan_of_the_whole(first: str, second: str) -> None:
    lines = [line.encode() for line in first.split("\n")], [line.encode() for line in second.split("\n")]
    whole, left, right = QuoteScan(), QuoteScan(), QuoteScan()
    whole.add([*lines[0], *lines[1]], b",")
    left.add(lines[0], b",")
    right.add(lines[1], b",")

    for begins_inside in (0, 1):
        middle = int(left.inside[begins_inside])
        assert whole.begun[begins_inside] == left.begun[begins_inside] + right.begun[middle]
        assert whole.inside[begins_inside] == right.inside[middle]
