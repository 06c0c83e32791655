"""Files of other kinds are recognized by their first line, and lines that only look like one are read."""

from typing import Any

import pytest

from textclf.config import Source
from textclf.corpus.local.reader import read_records
from textclf.errors import InputError

KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "tsv": ({"columns": ["text", "label"]}, "{}\t1\n"),
    "csv": ({"columns": ["text", "label"]}, "{},1\n"),
    "jsonl": ({}, '{{"text": "{}", "label": "1"}}\n'),
    "text": ({"pattern": r"(?P<label>\S+) (?P<text>.*)"}, "1 {}\n"),
}
TEXTS = ["a", "ab", "good food here", "नमस्ते दुनिया", "中文 很好", "é", "Привет мир", "x" * 600]


def source(kind: str) -> Source:
    return Source.model_validate({"name": "s", "path": "p", "format": kind, **KINDS[kind][0]})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_two_and_four_bytes_a_character_are_told_without_a_mark(kind: str, encoding: str) -> None:
    for text in TEXTS:
        data = (KINDS[kind][1].format(text) * 3).encode(encoding)
        with pytest.raises(InputError, match=encoding.upper().replace("-LE", "LE").replace("-BE", "BE")):
            list(read_records(source(kind), data))


@pytest.mark.parametrize(
    "line",
    [b"x\ta\0b\0", b"x\ty\0z\0", b"x\t\0a\0b\0c", b"a\0\tb", b"\0\t1", b"ORC\tgreen", b"PAR1\tbirdie", b"PARE\tx"],
)
def test_a_line_that_only_looks_like_another_kind_costs_its_neighbours_nothing(line: bytes) -> None:
    records = list(read_records(source("tsv"), line + b"\nq\tok\n"))

    assert len(records) == 2
    assert records[1].parsed == ("q", "ok", None)
