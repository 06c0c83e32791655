"""Any bytes in any source format: each record is accepted or rejected with a reason, and nothing raises."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import FUZZ
from textclf.config import Source
from textclf.corpus.lines.line_blocks import Block, BlockPlan
from textclf.corpus.lines.records import RAW_CHARACTERS, Reason, parser
from textclf.corpus.local.reader import read_records, split_lines
from textclf.corpus.parse import REFUSED_FILE, STAGED, column_parser, line_parser, quoted_parser
from textclf.errors import InputError
from textclf.formats import FORMATS

LIMIT = 200
COLUMNS = ["text", "label"]
MADE: dict[str, dict[str, Any]] = {
    "tsv": {"columns": COLUMNS},
    "csv": {"columns": ["label", "skipped", "text"]},
    "csv plain": {"columns": COLUMNS, "quoting": False, "delimiter": ";"},
    "tsv quoted": {"columns": COLUMNS, "quoting": True},
    "jsonl": {"labels": ["0", "1", "true"]},
    "text": {"pattern": r"(?P<label>\w+):\S+ (?P<text>.*)"},
    "parquet": {},
    "delta": {"labels": ["0", "1"]},
}
# A format that needs no keys is tried without an entry above.
MADE |= {name: {} for name in FORMATS if name not in {kind.partition(" ")[0] for kind in MADE}}
ENCODINGS = ("utf-8", "latin-1", "cp1252", "ascii", "shift_jis", "euc_kr", "gb18030")
# Pieces with a meaning in some format; they are mixed with random bytes.
WORDS = (b'"', b'""', b",", b";", b"\t", b"\r", b"\0", b"{", b"}", b'{"text": "a", "label": ', b"1}", b"a:b c", b"NaN")
BYTES = (b"\\ud800", b"\xff", b"\xc3", b"\xed\xa0\x80", b"+AGE-", "ü".encode())
PIECES = st.sampled_from([*WORDS, *BYTES, b"[" * 300, b"1" * 5000, b"x" * (LIMIT + 1)])
RECORDS = st.lists(PIECES | st.binary(max_size=12), max_size=8).map(lambda parts: b"".join(parts).replace(b"\n", b""))


def source(kind: str, encoding: str = "utf-8") -> Source:
    given_ = {"name": "s", "path": "p", "format": kind.partition(" ")[0], "max_record_bytes": LIMIT}
    return Source.model_validate(given_ | MADE[kind] | {"encoding": encoding})


KINDS = [kind for kind in MADE if not FORMATS[source(kind).format].columnar]
QUOTED = [kind for kind in KINDS if source(kind).quoted]
LINE_FORMATS = [kind for kind in KINDS if kind not in QUOTED]


def plan(blocks: int = 1) -> BlockPlan:
    return BlockPlan(tuple(Block(at, f"/f{at}", 0, f"f{at}", 0, 1_000_000) for at in range(blocks)))


def staged(parse: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]], batch: pa.RecordBatch) -> list[Any]:
    """Return the staged rows, and check that each fits ``STAGED`` as an accepted or a rejected record."""
    rows = [row for made in parse(iter([batch])) for row in made.to_pylist()]
    for row in rows:
        assert list(row) == STAGED.columns
        if row["fragment"] is not None:
            continue
        accepted = row["reason"] is None
        assert accepted == (row["text"] is not None) == (row["label"] is not None) == (row["raw"] is None)
        assert accepted or row["reason"] in {*Reason, REFUSED_FILE}
        assert accepted or len(row["raw"]) <= RAW_CHARACTERS
        assert not accepted or (row["text"].strip() and row["label"].strip())
    return rows


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_tried(name: str) -> None:
    assert name in {source(kind).format for kind in MADE}


@FUZZ
@given(st.sampled_from(KINDS), st.sampled_from(ENCODINGS), RECORDS)
def test_a_record_is_accepted_or_refused(kind: str, encoding: str, raw: bytes) -> None:
    text, label, reason = parser(source(kind, encoding))(raw)
    assert (reason is None) == (text is not None) == (label is not None)


@FUZZ
@given(st.sampled_from(LINE_FORMATS), st.sampled_from(ENCODINGS), st.lists(RECORDS, max_size=5))
def test_lines_become_as_many_rows(kind: str, encoding: str, lines: list[bytes]) -> None:
    numbers = range(len(lines))
    batch = pa.record_batch(
        [pa.array([0] * len(lines), pa.int32()), pa.array(numbers, pa.int64()), pa.array(lines, pa.binary())],
        names=["block", "position", "value"],
    )
    rows = staged(line_parser(source(kind, encoding), plan()), batch)
    assert [row["position"] for row in rows] == list(numbers)


@FUZZ
@given(st.sampled_from(QUOTED), st.sampled_from(ENCODINGS), st.lists(RECORDS, min_size=1, max_size=6))
def test_quoted_lines_become_records_without_a_gap(kind: str, encoding: str, lines: list[bytes]) -> None:
    made = source(kind, encoding)
    batch = pa.record_batch(
        [pa.array([0] * len(lines), pa.int32()), pa.array(lines, pa.binary())], names=["block", "value"]
    )
    rows = staged(quoted_parser(made, plan()), batch)
    assert [row["position"] for row in rows] == list(range(len(rows)))
    assert sum(row["lines"] for row in rows) == len(lines)


@FUZZ
@given(st.sampled_from(KINDS), st.sampled_from(ENCODINGS), st.lists(RECORDS, max_size=8), st.data())
def test_the_lines_of_all_records_are_the_file(
    kind: str, encoding: str, lines: list[bytes], data: st.DataObject
) -> None:
    made, content = source(kind, encoding), b"\n".join(lines)
    whole = split_lines(made, content)
    cuts = tuple(sorted(data.draw(st.sets(st.integers(1, max(1, len(whole) - 1))))))
    try:
        found = list(read_records(made, content))
    except InputError:
        return
    assert [each.line for each in found] == [sum(each.lines for each in found[:at]) for at in range(len(found))]
    assert b"\n".join(each.raw for each in found) == b"\n".join(whole)
    assert list(read_records(made, content, cuts)) == found


@FUZZ
@given(
    st.sampled_from(sorted(MADE.keys() - set(KINDS))),
    st.lists(st.tuples(st.none() | RECORDS, st.none() | st.text(max_size=4)), max_size=5),
)
def test_columns_become_as_many_rows(kind: str, records: list[tuple[bytes | None, str | None]]) -> None:
    values, labels = [raw for raw, _ in records], [label for _, label in records]
    batch = pa.record_batch(
        [
            pa.array([0] * len(records), pa.int32()),
            pa.array(range(len(records)), pa.int64()),
            pa.array(values, pa.binary()),
            pa.array(labels, pa.string()),
        ],
        names=["block", "position", "value", "label"],
    )
    assert len(staged(column_parser(source(kind), plan()), batch)) == len(records)
