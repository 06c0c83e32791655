"""Spark's file systems through Arrow's interface: each operation behaves on a real HDFS as on a local disk."""

from pathlib import Path

import pytest
from pyarrow import fs
from pyspark.sql import SparkSession

from tests.factories.artifacts import sample
from textclf.artifact import ModelStore
from textclf.common.file_systems import file_system, replace_in
from textclf.common.output_files import OutputFile
from textclf.errors import InputError


@pytest.fixture(params=["local", "hdfs"])
def folder(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "local" else f"{request.getfixturevalue('hdfs')}/{tmp_path.name}"


def names(system: fs.FileSystem, path: str, **options: bool) -> list[tuple[str, str, int | None]]:
    found = system.get_file_info(fs.FileSelector(path, **options))
    return sorted((info.path.removeprefix(path), info.type.name, info.size) for info in found)


def test_files_are_written_listed_replaced_and_deleted(folder: str) -> None:
    system, path = file_system(folder)
    odd = "ü b%20+[x]{y}"
    for data in (b"first", b"", b"x" * 300_000):
        replace_in(system, f"{path}/a/{odd}", data)
        with system.open_input_stream(f"{path}/a/{odd}", compression=None) as stream:
            assert stream.read() == data
    replace_in(system, f"{path}/b", b"b")

    assert names(system, path) == [("/a", "Directory", None), ("/b", "File", 1)]
    assert names(system, path, recursive=True)[1] == (f"/a/{odd}", "File", 300_000)
    system.copy_file(f"{path}/b", f"{path}/c")
    system.move(f"{path}/c", f"{path}/b")
    system.delete_file(f"{path}/b")
    assert names(system, path) == [("/a", "Directory", None)]
    system.delete_dir(f"{path}/a")
    assert names(system, path) == []


def test_what_is_missing_is_said_as_on_a_local_disk(folder: str) -> None:
    system, path = file_system(f"{folder}/none")

    assert system.get_file_info(path).type == fs.FileType.NotFound
    assert names(system, path, allow_not_found=True) == []
    with pytest.raises(FileNotFoundError):
        system.get_file_info(fs.FileSelector(path))
    with pytest.raises(FileNotFoundError):
        system.open_input_stream(path)
    with pytest.raises(FileNotFoundError):
        system.delete_file(path)


def test_the_store_of_models_works_as_on_a_local_disk(folder: str) -> None:
    store, artifact = ModelStore(f"{folder}/models"), sample()
    name = artifact.manifest.name

    assert [store.save(artifact).manifest.version for _ in range(3)] == ["1", "2", "3"]
    store.promote(name, "1")
    store.promote(name, "3")
    assert store.champions(name) == ["3", "1"]
    assert store.roll_back(name) == "1"
    assert store.load(name).files == artifact.files
    with pytest.raises(InputError, match="no such model"):
        store.load("other")
    system, path = file_system(folder)
    left = [info.path for info in system.get_file_info(fs.FileSelector(path, recursive=True)) if info.is_file]
    assert not [file for file in left if ".claim-" in file or "/.champion-" in file.replace("/.champion-lock", "")]


def test_pages_and_status_files_are_replaced_where_the_tables_are(folder: str) -> None:
    file = OutputFile(f"{folder}/reports/page.html")

    assert not file.exists()
    for content in ("first ü", "second"):
        file.replace(content)
        assert (file.exists(), file.read().decode()) == (True, content)
    assert (file.local is None, str(file)) == ("://" in folder, f"{folder}/reports/page.html")


@pytest.mark.usefixtures("spark")
def test_a_storage_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(InputError) as caught:
        ModelStore("hdfs://127.0.0.1:9/models").names()
    assert "hdfs://127.0.0.1:9/models" in str(caught.value)
    assert "refused" in str(caught.value.received)
