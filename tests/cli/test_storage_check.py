"""The storage check passes on good storage and detects storage with faulty operations."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import fs
from pyspark.sql import SparkSession

from textclf.cli import storage_check
from textclf.cli.source_check import Check
from textclf.cli.storage_check import storage_works

DOES = "can write, replace, create once, list, rename, delete"


@pytest.mark.parametrize("kind", ["local", "hdfs"])
def test_a_storage_that_works(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path, kind: str) -> None:
    place = str(tmp_path / "warehouse") if kind == "local" else f"{request.getfixturevalue('hdfs')}/check"

    check = storage_works("storage", place)
    assert (check.verdict, check.name, check.fix) == ("ok", "storage", "")
    assert check.found.startswith(f"{place}: {DOES}; its clock is ")
    assert not list(tmp_path.glob("warehouse/*"))


def test_clocks_that_differ_are_said(tmp_path: Path) -> None:
    for ahead, said in ((-60.0, "60.0 s behind"), (60.0, "60.0 s ahead")):
        check = storage_works("storage", str(tmp_path), clock=lambda: time.time() - ahead)  # noqa: B023 - called at once
        assert (check.verdict, said in check.found.replace("59.", "60.")) == ("note", True), check.found
        assert "NTP" in check.fix


class Faulty(fs.FileSystemHandler):  # type: ignore[misc]
    """The local disk, with one faulty operation."""

    def __init__(self, fault: str) -> None:
        self.fault, self.disk = fault, fs.LocalFileSystem()

    def get_type_name(self) -> str:
        return "faulty"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[fs.FileInfo]:
        return list(self.disk.get_file_info(paths))

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        return [] if self.fault == "list" else list(self.disk.get_file_info(selector))

    def create_dir(self, path: str, recursive: bool) -> None:
        self.disk.create_dir(path, recursive=recursive)

    def delete_dir(self, path: str) -> None:
        self.disk.delete_dir(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool) -> None:
        raise NotImplementedError

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError

    def delete_file(self, path: str) -> None:
        if self.fault != "delete":
            self.disk.delete_file(path)

    def move(self, src: str, dest: str) -> None:
        if self.fault == "replace" and Path(dest).exists():
            Path(src).unlink()
        elif self.fault == "rename" and Path(dest).name == "other":
            self.disk.copy_file(src, dest)
        else:
            self.disk.move(src, dest)

    def copy_file(self, src: str, dest: str) -> None:
        raise NotImplementedError

    def open_input_stream(self, path: str) -> object:
        return self.disk.open_input_stream(path)

    def open_input_file(self, path: str) -> object:
        return self.disk.open_input_file(path)

    def open_output_stream(self, path: str, metadata: object) -> object:  # noqa: ARG002 - Arrow's signature
        if self.fault == "write":
            raise PermissionError("13, not allowed")
        return self.disk.open_output_stream(path)

    def open_append_stream(self, path: str, metadata: object) -> object:
        raise NotImplementedError


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Check]:
    def check(fault: str) -> Check:
        faulty = fs.PyFileSystem(Faulty(fault))
        monkeypatch.setattr(storage_check, "file_system", lambda location: (faulty, location))
        return storage_works("storage", str(tmp_path))

    return check


def test_a_storage_that_does_otherwise_is_found_out(on: Callable[[str], Check], tmp_path: Path) -> None:
    said = {
        "write": "13, not allowed",
        "replace": "read b'first' after b'second' had been written, after it could write",
        "list": "listed [] where there is one file, after it could write, replace",
        "rename": "listed ['file', 'other'] after file had been renamed to other",
        "delete": "listed ['other'] after the file had been deleted, after it could write, replace, list, rename",
    }
    for fault, words in said.items():
        check = on(fault)
        assert (check.verdict, words in check.found) == ("wrong", True), check.found
        assert "permissions" in check.fix
        assert not list(tmp_path.iterdir())
    check = on("none")  # this file system cannot create a file exclusively
    assert (check.verdict, "one driver at a time" in check.fix) == ("note", True)


def test_a_storage_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for place in ("nothing://here", str(tmp_path / "file")):
        check = storage_works("storage", place)
        assert (check.verdict, check.found.startswith(place)) == ("wrong", True)
