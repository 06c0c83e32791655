"""``init`` finds the good files in folders where others are damaged, unreadable or empty."""

import gzip
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Run
from tests.cli.labelled_rows import rows
from textclf.cli.init import look_at
from textclf.cli.sniff import files
from textclf.cli.sniff.sample import Reading
from textclf.cli.sniff.tables import table_format
from textclf.errors import InputError

GOOD = "".join(f"{text}\t{label}\n" for text, label in rows("en"))


def parquet() -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table({"text": ["a good place"] * 90, "label": ["1", "0"] * 45}), made)
    return made.getvalue()


DAMAGED = {
    "a.tsv.gz": gzip.compress(GOOD.encode())[:-20],
    "b.parquet": parquet()[:-40],
    "c.parquet": b"PAR1" + bytes(100),
    "d.tsv.gz": GOOD.encode(),
    "e.tsv.bz2": b"BZh91AY&SY" + bytes(40),
    "f.txt": "\u00a0\n\u3000\n".encode(),
    "g.txt": b"\x1c\n",
    "h.txt": "\u00a0\n".encode("latin-1"),
    "i.jsonl": "\u3000".encode(),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_left_out(textclf: Run, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / name).write_bytes(DAMAGED[name])
    (folder / "z.tsv").write_text(GOOD)
    sources, left_out = look_at([str(folder)])
    assert ([source.name for source in sources], list(left_out)) == (["z"], [str(folder / name)])
    code, _, err = textclf("init", folder / name, "--output", tmp_path / "p.toml")
    assert (code, "Traceback" in err, name in err) == (3, False, True), err


def test_of_one_damaged_file_alone_it_is_said_what_to_do(textclf: Run, tmp_path: Path) -> None:
    (tmp_path / "a.tsv.gz").write_bytes(DAMAGED["a.tsv.gz"])
    code, _, err = textclf("init", tmp_path / "a.tsv.gz", "--output", tmp_path / "p.toml")
    assert (code, "cannot be unpacked" in err, "fetch it again" in err) == (3, True, True), err


def test_a_reading_that_ingest_refuses_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(GOOD)
    refused = Reading({"format": "tsv", "header": True, "text": "nosuch", "label": "neither"})
    good = Reading({"format": "tsv", "columns": ["text", "label"]})
    for readings in ([refused, good], [good, refused]):
        monkeypatch.setattr(files, "_readings", lambda *_, given=readings: given)
        assert files.look_at_files([path]).keys == good.keys
    monkeypatch.setattr(files, "_readings", lambda *_: [refused])
    with pytest.raises(InputError, match="does not look like labelled texts"):
        files.look_at_files([path])


@pytest.mark.skipif(os.getuid() != 0, reason="another user's rights are tried")
@pytest.mark.parametrize("rights", [0o444, 0o000, 0o111])
def test_a_folder_without_rights_is_no_traceback(rights: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:  # other users cannot enter pytest's own folders
        place = Path(scratch)
        place.chmod(0o755)
        for name in ("closed/a.tsv", "closed/in/a.tsv", "data/in/a.parquet", "data/z.tsv"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(GOOD)
        look_at([str(place / "data")])  # imports modules that the other user cannot read
        for name in ("closed", "data/in"):
            (place / name).chmod(rights)
        os.seteuid(65534)
        try:
            with pytest.raises(InputError):
                look_at([str(place / "closed")])
            sources, left_out = look_at([str(place / "data")])
        finally:
            os.seteuid(0)
        assert ([source.name for source in sources], list(left_out)) == (["z"], [str(place / "data/in")])


def test_a_tree_is_not_walked_where_the_first_file_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(30):
        (tmp_path / f"d{at:02}").mkdir()
        (tmp_path / f"d{at:02}" / "a.parquet").touch()
    assert table_format(tmp_path) == "parquet"
    (tmp_path / "a.tsv").write_text(GOOD)
    seen: list[object] = []
    scan = os.scandir

    def counted(path: str) -> Any:
        seen.append(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert table_format(tmp_path) is None
    assert len(seen) < 5


def test_what_was_read_is_said_beside_a_printed_file(textclf: Run, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(GOOD)
    (tmp_path / "b.txt").write_bytes(b"\x89PNG\0\0")
    code, out, err = textclf("init", tmp_path, "--output", "-")
    assert (code, out.startswith("# Written by"), "36 records, 2 labels" in err, "left out: " in err) == (
        0, True, True, True,
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_printed_file_is_utf_8_whatever_the_locale(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "café é表.tsv"
    path.write_text(GOOD)
    command = [sys.executable, "-m", "textclf", "init", str(path), "--output", "-"]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}, check=True)
    assert str(path) in done.stdout.decode("utf-8")
