"""Arrow's file systems by path or URL, and the atomic replacement of files on them."""

import os
from pathlib import Path

import pytest
from pyarrow import fs

from textclf.common.file_systems import file_system, replace_in


def test_a_path_and_its_url_are_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert file_system("models") == (fs.LocalFileSystem(), f"{tmp_path}/models")
    assert file_system(f"file:{tmp_path}/models") == file_system(f"file://{tmp_path}/models") == file_system("models")


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n"])
def test_hadoops_schemes_of_s3_are_arrows_own(scheme: str) -> None:
    system, path = file_system(f"{scheme}://bucket/models?region=eu-west-1")

    assert (system.type_name, path) == ("s3", "bucket/models")


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    system, path = file_system(str(tmp_path / "a" / "b" / ("ü" * 127)))
    for data in (b"first", b"second"):
        replace_in(system, path, data)
        assert Path(path).read_bytes() == data

    assert len(os.listdir(tmp_path / "a" / "b")) == 1


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file, not a folder")
    system, path = file_system(str(tmp_path / "a" / "b"))

    with pytest.raises(OSError, match="a"):
        replace_in(system, path, b"data")
    assert (tmp_path / "a").read_text() == "a file, not a folder"
