"""The pipeline file that init writes holds what init found, whatever the names, labels and paths are."""

import json
import os
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.conftest import Run
from tests.factories.corpora import invented
from tests.factories.terminals import acted_on
from textclf.cli.init import look_at
from textclf.cli.pipeline_file import Named, pipeline_text
from textclf.cli.sniff.files import Look
from textclf.config import load_pipeline, parse_pipeline
from textclf.errors import InputError

SECTIONS = {"warehouse", "sources", "text", "split", "search", "score"}
HOSTILE = [
    "x\n[lineage]\nurl = 'http://evil.example'",
    "${HOME}",
    "${$}{HOME}",
    "$${HOME}",
    "${nosuch}",
    "a # b",
    "it's \"\\",
    "'''",
    '"""',
    "\u202eabc",
    "\x00\x1b[2J",
    "\x85\u2028",
    "\U000e0041",
    "[[sources]]",
    "a\r\nb",
    "\x7f",
    "\\u0041",
    " ",
]
TEXTS = st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


def named(path: str, keys: dict[str, Any], labels: list[str], notes: tuple[str, ...] = ()) -> Named:
    texts = ["good food", "bad food"] * 2
    return Named("reviews", path, Look(keys, texts, Counter(dict.fromkeys(labels, 2)), True, notes))


@settings(deadline=None)
@given(TEXTS, TEXTS, st.lists(TEXTS, min_size=2, max_size=4, unique_by=str.strip), TEXTS, TEXTS)
def test_what_is_written_is_what_was_found(
    path: str, column: str, labels: list[str], note: str, warehouse: str
) -> None:
    # As in records: labels have no blanks around them, and a record with U+0000 is a reject.
    labels = [label.strip() for label in labels if label.strip() and "\0" not in label] or ["0", "1"]
    warehouse = warehouse.replace("`", "") or "w"
    keys = {"format": "parquet", "text": column, "label": f"{column}!"}
    text = pipeline_text([named(path, keys, labels, (note,))], {path: note}, warehouse, None)
    found = parse_pipeline(text, {"HOME": "/root", "X": "expanded"})
    source = found.sources[0]
    assert (source.path, source.text, source.label) == (path, column, f"{column}!")
    assert source.labels == sorted(labels)
    assert (found.warehouse, found.score.input) == (warehouse, f"{warehouse}/corpus")
    assert set(tomllib.loads(text)) == SECTIONS
    assert acted_on(text) == []


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="a pipeline file cannot hold it"):
        pipeline_text([named("p", {"format": "jsonl", "text": "\ud800", "label": "l"}, ["0", "1"])], {}, "w", None)


@pytest.mark.parametrize("name", HOSTILE[:-1])
def test_columns_of_a_table_make_neither_sections_nor_variables(textclf: Run, tmp_path: Path, name: str) -> None:
    rows = invented(30, ("${HOME}", "b#\n[logs]"))
    columns = {f"text{name}": [text for text, _ in rows], f"label{name}": [label for _, label in rows]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    config = tmp_path / "pipeline.toml"
    code, out, err = textclf("init", tmp_path / "a.parquet", "--output", config, "--warehouse", "${HOME}/w")
    assert (code, err) == (0, "")
    found = load_pipeline(config)
    assert [found.sources[0].text, found.sources[0].label] == list(columns)
    assert sorted(found.sources[0].labels or []) == ["${HOME}", "b#\n[logs]"]
    assert (found.warehouse, found.lineage) == ("${HOME}/w", None)
    assert set(tomllib.loads(config.read_text())) == SECTIONS
    assert acted_on(out + config.read_text()) == []


def test_files_of_hostile_names(tmp_path: Path) -> None:
    lines = "".join(f"{text}\t{label}\n" for text, label in invented(30))
    folder = os.fsencode(tmp_path)
    for name in (b"x\n[lineage]\n.tsv", b"${HOME}.tsv", b"\xff.tsv", b"\x1b[2J.tsv"):
        Path(os.fsdecode(folder + b"/" + name)).write_text(lines, encoding="utf-8")
    sources, left_out = look_at([str(tmp_path)])
    assert [json.dumps(path) for path in left_out] == [json.dumps(f"{tmp_path}/\udcff.tsv")]
    found = parse_pipeline(pipeline_text(sources, left_out, "w", None), {"HOME": "/root"})
    assert {Path(source.path).name for source in found.sources} == {"x\n[lineage]\n.tsv", "${HOME}.tsv", "\x1b[2J.tsv"}
    assert found.lineage is None
