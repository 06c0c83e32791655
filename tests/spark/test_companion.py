"""The package's Java classes are compiled against the installed Spark and Delta, by either compiler."""

import zipfile
from pathlib import Path

import pytest

from textclf.spark import companion
from textclf.spark.companion import CompanionError, companion_jars, compile_companion, jar_name, log_stores
from textclf.spark.jars import COMPANION, delta_jars
from textclf.spark.java import java_home

CLASSES = {"textclf/CreateOnceLogStore.class", "textclf/FileSink.class"}


@pytest.fixture
def jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with Delta's jars and without the companion the folder in use."""
    folder = tmp_path / "jars of Delta"
    folder.mkdir()
    for jar in delta_jars():
        (folder / jar.name).symlink_to(jar)
    monkeypatch.setenv("TEXTCLF_JARS", str(folder))
    return folder


def test_set_up_has_compiled_it() -> None:
    assert [jar.name for jar in companion_jars()] == [jar_name()]


def test_it_is_compiled_once_beside_those_that_other_releases_use(jars: Path) -> None:
    assert companion_jars() == []
    (jars / f"{COMPANION}older.jar").touch()
    made = compile_companion()
    assert set(zipfile.ZipFile(made).namelist()) >= CLASSES
    before = made.stat().st_mtime_ns
    assert compile_companion().stat().st_mtime_ns == before
    assert {jar.name for jar in jars.glob(f"{COMPANION}*")} == {jar_name(), f"{COMPANION}older.jar"}
    assert [jar.name for jar in companion_jars()] == [jar_name()]
    assert not {jar.name for jar in delta_jars()} & {jar_name()}


def test_a_java_without_a_compiler_uses_eclipses(jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = tmp_path / "runtime"
    (runtime / "bin").mkdir(parents=True)
    (runtime / "bin" / "java").symlink_to(java_home() / "bin" / "java")
    monkeypatch.setattr(companion, "java_home", lambda: runtime)
    assert set(zipfile.ZipFile(compile_companion()).namelist()) >= CLASSES


def test_sources_that_do_not_fit_are_an_error_that_quotes_the_compiler(
    jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "Wrong.java"
    source.write_text("class Wrong extends io.delta.storage.NoSuchStore {}")
    monkeypatch.setattr(companion, "sources", lambda: [source])
    with pytest.raises(CompanionError, match="NoSuchStore"):
        compile_companion()
    assert list(jars.glob(f"{COMPANION}*")) == []


def test_its_log_store_is_set_only_where_it_is() -> None:
    assert log_stores("/some/delta-spark.jar") == {}
    assert set(log_stores(f"/some/{COMPANION}1.jar").values()) == {companion.LOG_STORE}
