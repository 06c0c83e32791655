"""A look counts all records of a sample, and keeps a bounded number of rows from all parts of it."""

from collections import Counter

import pytest

from textclf.cli.sniff.delimited import delimited_readings
from textclf.cli.sniff.sample import ROWS, Sample, thinned
from textclf.cli.sniff.tally import Tally


def test_rows_are_from_all_over_and_counts_are_of_all() -> None:
    tally, other = Tally(","), Tally(",")
    for at in range(10 * ROWS):
        row = [f'"{at}"', "\\N" if at % 1000 == 999 else "x"]
        tally.add(row, ",".join(row).encode())
        other.add(row, ",".join(row).encode())
    assert tally.rows[0] == ['"0"', "x"]
    assert len({int(row[0].strip('"')) % 7 for row in tally.rows}) == 7
    assert ROWS * 0.9 <= len(tally.rows) <= 2 * ROWS
    assert int(tally.rows[-1][0].strip('"')) > 9 * ROWS
    assert (tally.count, tally.nulls[1], tally.wrapped) == (10 * ROWS, 10 * ROWS // 1000, 10 * ROWS)
    assert tally.is_same(other)
    other.add(["a", "b"], b"a,b")
    assert not tally.is_same(other)


def test_a_beginning_of_another_width_does_not_decide() -> None:
    data = b"a,b,c\n" * 45_000 + b"".join(b"a good thing %d,1\na bad one %d,0\n" % (at, at) for at in range(40_000))
    (reading,) = delimited_readings(Sample((("a.csv", data, True),)), "utf-8", {})
    assert len(reading.keys["columns"]) == 2


@pytest.mark.parametrize("period", [2, 3, 4, 5, 8, 16])
@pytest.mark.parametrize("count", [ROWS + 1, 2 * ROWS, 4 * ROWS, 5 * ROWS + 7])
def test_labels_that_take_turns_are_all_among_few_rows(period: int, count: int) -> None:
    found = Counter(thinned([at % period for at in range(count)]))
    assert 0.9 * ROWS < found.total() <= ROWS
    assert min(found.values()) > 0.9 * ROWS / period * 0.9
    assert len(found) == period
