"""``check`` reports the files of each source, and counts records and rejects as ingest does."""

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Run
from textclf.cli.source_check import Check, source_readable
from textclf.config import parse_pipeline

Config = Callable[[str], Path]
LINES = "".join(f"good {at}\t1\nbad {at}\t0\n" for at in range(10))


Checked = Callable[..., Check]


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    """Return a function that checks a source at ``data`` with the given keys."""

    def check(keys: str = 'format = "tsv"\ncolumns = ["text", "label"]', *, full: bool = False) -> Check:
        text = f'warehouse = "w"\n[[sources]]\nname = "s"\npath = "{tmp_path / "data"}"\n{keys}\n'
        pipeline = parse_pipeline(text)
        return source_readable(pipeline.sources[0], pipeline.ingest.limit(pipeline.sources[0]), full=full)

    return check


def test_files_and_records_are_told(checked: Checked, tmp_path: Path) -> None:
    for name in ("b.tsv", "2025/a.tsv", "_not.tsv", ".git/config", "l=1/c.tsv"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(LINES + "no label\n")
    (tmp_path / "data" / "empty.tsv").touch()
    found = checked()
    assert found.verdict == "ok"
    assert found.files == ("2025/a.tsv", "b.tsv", "l=1/c.tsv")
    assert "1 file and 1 folder skipped" in found.found
    assert "1 empty" in found.found
    assert found.found.endswith("63 records, 2 labels (0 30, 1 30), 3 rejected (missing_column 3)")


def test_names_stand_under_the_source(textclf: Run, write_config: Config, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for at in range(120):
        (tmp_path / "data" / f"{at:03}\x1b[2J.tsv").write_text("good\t1\n")
    keys = f'[[sources]]\nname = "s"\npath = "{tmp_path / "data"}"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
    out = textclf("check", "--config", write_config(keys))[1]
    assert "  000\\x1b[2J.tsv\n" in out
    assert "\x1b" not in out
    assert "and 20 more, which --json lists" in out


def test_sixteen_mebibytes_are_read_and_with_full_all(checked: Checked, tmp_path: Path) -> None:
    line = f"{'a text of some length ' * 50}\t1\n"
    (tmp_path / "data").write_text(line * ((17 << 20) // len(line)) + "bad\n")
    found = checked()
    assert "the beginning: " in found.found
    assert "0 rejected" in found.found
    found = checked('format = "tsv"\ncolumns = ["text", "label"]', full=True)
    assert "the beginning" not in found.found
    assert "1 rejected (missing_column 1)" in found.found


@pytest.mark.parametrize(
    ("name", "packed"), [("a.gz", gzip.compress(LINES.encode(), mtime=0)), ("a.bz2", bz2.compress(LINES.encode()))]
)
def test_packed_files_are_unpacked(checked: Checked, tmp_path: Path, name: str, packed: bytes) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(packed)
    found = checked()
    assert "20 records, 2 labels (0 10, 1 10), 0 rejected" in found.found
    (tmp_path / "data" / name).write_bytes(packed[:-20])
    found = checked()
    assert (found.verdict, "cannot be unpacked" in found.found) == ("wrong", True)
    (tmp_path / "data" / name).rename(tmp_path / "data/a.lz4")
    assert "only Spark can" in checked().found


@pytest.mark.parametrize(
    ("keys", "files", "words"),
    [
        ('format = "csv"\nheader = true', {"a": "text,label\nx,1\n", "b": "label,text\n1,x\n"}, "different headers"),
        ('format = "csv"\nheader = true', {"a": "body,label\nx,1\n"}, "lacks a column"),
        ('format = "jsonl"', {"a": '[{"text": "x", "label": "1"}]'}, "it is one JSON array"),
        ('format = "jsonl"', {"a": '{"text": "x", "label": "1"}\n', "b": "PK\x03\x04..."}, "b: it is a zip archive"),
        ('format = "csv"\ncolumns = ["text", "label"]', {"a": "x,1\ry,2\rz,3"}, "carriage returns"),
        ('format = "csv"\ncolumns = ["text", "label"]\nlabels = ["9"]', {"a": "x,1\n"}, "1 rejected (unknown_label 1)"),
        ('format = "parquet"', {"a": "text"}, "cannot be read"),
        ('format = "tsv"\ncolumns = ["text", "label"]', {"a": "", "b": ""}, "2 empty"),
    ],
)
def test_what_ingest_would_refuse_is_wrong(
    checked: Checked, tmp_path: Path, keys: str, files: dict[str, str], words: str
) -> None:
    (tmp_path / "data").mkdir()
    for name, content in files.items():
        (tmp_path / "data" / name).write_text(content, newline="")
    found = checked(keys)
    assert (found.verdict, words in found.found) == ("wrong", True), found


def test_what_ingest_would_refuse_is_wrong_and_of_a_beginning_a_note(
    checked: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = 'format = "tsv"\ncolumns = ["text", "label"]\n'
    (tmp_path / "data").write_text("x\t1\nno\nno\nno\n")
    found = checked(keys)
    assert found.verdict == "wrong"
    assert "ingest_corpus refuses a delivery that has 3 of 4 records rejected" in found.found
    assert checked(keys + "max_rejects = 0.75").verdict == "ok"
    monkeypatch.setattr("textclf.corpus.local.preview.LOOKED_AT", 10)
    found = checked(keys)
    assert found.verdict == "note"
    assert "more than max_rejects (0.5) of its records are rejected" in found.found
    (tmp_path / "data").write_text("no\nno\nno\n" + LINES * 10)
    found = checked(keys)
    assert (found.verdict, "none of its records is accepted" in found.found) == ("note", True)
    assert checked(keys, full=True).verdict == "ok"


def test_columns_are_read_as_ingest_reads_them(checked: Checked, tmp_path: Path) -> None:
    for part in ("001", "1", "__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / f"data/label={part}").mkdir(parents=True)
        pq.write_table(pa.table({"text": ["x", " ", None]}), tmp_path / f"data/label={part}/a.parquet")
    found = checked('format = "parquet"')
    assert "9 records, 2 labels (001 1, 1 1), 7 rejected (empty_text 6, missing_label 1)" in found.found
    assert found.files[0] == "label=001/a.parquet"


def test_labels_of_folders_whose_type_is_inferred_are_for_spark(checked: Checked, tmp_path: Path) -> None:
    for part in ("001", "2"):
        (tmp_path / f"data/label={part}").mkdir(parents=True)
        pq.write_table(pa.table({"text": ["x"]}), tmp_path / f"data/label={part}/a.parquet")
    keys = 'format = "parquet"\nlabels = ["1", "2"]\n'
    found = checked(keys + 'partition_types = "inferred"')
    assert (found.verdict, "only Spark can" in found.found) == ("note", True)
    assert found.files == ("label=001/a.parquet", "label=2/a.parquet")
    assert "1 rejected (unknown_label 1)" in checked(keys + 'partition_types = "text"').found


def test_number_labels_of_columns(checked: Checked, tmp_path: Path) -> None:
    labels = pa.array([1.0, 2.0, 1e20, 0.5, None, float("nan")])
    pq.write_table(pa.table({"text": list("abcdef"), "label": labels}), tmp_path / "data")
    found = checked('format = "parquet"')
    assert "3 labels (1 1, 100000000000000000000 1, 2 1), 3 rejected" in found.found
    assert "fractional_label 2" in found.found
