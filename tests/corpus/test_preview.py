"""The beginning of a source, read without Spark: the same records however a file comes in pieces."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from textclf.config import Source
from textclf.corpus.reader import Record, read_chunks, read_records
from textclf.errors import InputError

KINDS = [
    {"format": "csv", "columns": ["text", "label"]},
    {"format": "csv", "columns": ["text", "label"], "escape": "\\"},
    {"format": "csv", "header": True, "max_record_bytes": 40},
    {"format": "tsv", "columns": ["text", "label"], "delimiter": ","},
    {"format": "jsonl"},
]
PARTS = st.sampled_from(
    ["a", '"', '""', ",", "\n", "\r\n", "\\", '\\"', '"a,b",1\n', "x,y\n", '{"text":"a"}', "\ufeff"]
)


def answer(source: Source, data: bytes, chunks: list[bytes] | None = None) -> list[Record] | str:
    try:
        return list(read_records(source, data) if chunks is None else read_chunks(source, chunks))
    except InputError as error:
        return str(error)


@given(st.sampled_from(KINDS), st.lists(PARTS, max_size=40), st.lists(st.integers(0, 200), max_size=5))
def test_a_file_in_pieces_has_the_records_of_the_whole(
    kind: dict[str, object], parts: list[str], cuts: list[int]
) -> None:
    header = "text,label\n" if kind.get("header") else ""
    data = (header + "".join(parts)).encode()
    source = Source.model_validate({"name": "s", "path": "p"} | kind)
    places = [0, *sorted(cuts), len(data)]
    chunks = [data[begin:end] for begin, end in pairwise(places)]
    assert answer(source, data, chunks) == answer(source, data)
