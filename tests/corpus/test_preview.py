"""The beginning of a source, read without Spark, has the same records however the file is cut into pieces."""

import time
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.config import Source
from textclf.corpus.local.reader import Record, read_chunks, read_fields, read_records
from textclf.errors import InputError

KINDS: list[dict[str, object]] = [
    {"format": "csv", "columns": ["text", "label"]},
    {"format": "csv", "columns": ["text", "label"], "escape": "\\"},
    {"format": "csv", "header": True, "max_record_bytes": 40},
    {"format": "csv", "columns": ["text", "label"], "max_record_bytes": 5_000},
    {"format": "tsv", "columns": ["text", "label"], "delimiter": ","},
    {"format": "jsonl"},
]
LONG = "l" * 4_100  # longer than the part of a line that is kept
PARTS = st.sampled_from(
    [
        LONG,
        f'"{LONG}",1\n',
        "a",
        '"',
        '""',
        ",",
        "\n",
        "\r\n",
        "\\",
        '\\"',
        '"a,b",1\n',
        "x,y\n",
        '{"text":"a"}',
        "\ufeff",
    ]
)


def answer(source: Source, data: bytes, chunks: list[bytes] | None = None) -> list[Record] | str:
    try:
        return list(read_records(source, data) if chunks is None else read_chunks(source, chunks))
    except InputError as error:
        return str(error)


@given(
    st.sampled_from(KINDS),
    st.lists(PARTS, max_size=40),
    st.lists(st.integers(0, 200) | st.integers(3_900, 9_000), max_size=5),
)
def test_a_file_in_pieces_has_the_records_of_the_whole(
    kind: dict[str, object], parts: list[str], cuts: list[int]
) -> None:
    header = "text,label\n" if kind.get("header") else ""
    data = (header + "".join(parts)).encode()
    source = Source.model_validate({"name": "s", "path": "p"} | kind)
    places = [0, *sorted(cuts), len(data)]
    chunks = [data[begin:end] for begin, end in pairwise(places)]
    assert answer(source, data, chunks) == answer(source, data)


def test_a_line_that_never_ends_takes_neither_memory_nor_time() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"good,1\n"
        yield from repeat(b"x" * (1 << 16), 4096)
        yield b"\nbad,0\n"

    begun = time.thread_time()
    tracemalloc.start()
    for kind in KINDS[:1] + KINDS[3:]:
        list(read_chunks(Source.model_validate({"name": "s", "path": "p"} | kind), chunks()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert time.thread_time() - begun < 10
    records = list(read_chunks(Source(name="s", path="p", format="csv", columns=["text", "label"]), chunks()))
    assert [record.parsed.label for record in records] == ["1", None, "0"]
    assert [(record.line, record.position) for record in records] == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[1], KINDS[3]])
def test_fields_of_many_short_records_do_not_fill_the_memory(
    kind: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textclf.corpus.local.reader._PART", 1 << 14)
    data = b"good,1\nbad,0\n" * 20_000 + b'"a\n' + b"b,c\n" * 5000 + b'",1\n'
    source = Source.model_validate({"name": "s", "path": "p"} | kind)
    tracemalloc.start()
    count = sum(raw.count(b"\n") + 1 for raw, _ in read_fields(source, data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == data.count(b"\n")
    assert peak < 5 << 20
