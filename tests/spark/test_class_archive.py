"""The class data archive: when it holds, who wins, and that a job's JVM loads Spark's and Delta's classes from it."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ROOT, run_module
from textclf.spark.jars import delta_jars
from textclf.spark.java import java_home
from textclf.spark.launch import class_archive, class_dump
from textclf.spark.launch.class_archive import (
    CLASS_PATH,
    DEFAULT_OPTIONS,
    ENVIRONMENT,
    FOLDER,
    OPTIONS,
    driver_settings,
    failed_mark,
    find_archive,
    on_class_path,
)
from textclf.spark.launch.class_dump import ClassArchiveError, make_archive

DEFAULTS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
NOTHING: dict[str, str] = {}
JAVA = java_home()


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python environment and a Spark with one jar each, and no options for Java."""
    monkeypatch.setattr("sys.prefix", str(tmp_path / "environment"))
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "spark"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in (*ENVIRONMENT, FOLDER, "SPARK_CONF_DIR", "TEXTCLF_JARS"):
        monkeypatch.delenv(name, raising=False)
    for jar in (tmp_path / "spark/jars/spark.jar", tmp_path / "environment/share/textclf/jars/delta-spark.jar"):
        jar.parent.mkdir(parents=True)
        jar.write_text("classes")
    return tmp_path


@pytest.fixture
def archive(environment: Path) -> Path:
    """An archive of the environment's jars, with a content that no Java would take."""
    path = environment / "environment/share/textclf/classes" / class_archive.archive_name(JAVA, 4)
    path.parent.mkdir()
    path.write_text("junk")
    return path


def options(settings: dict[str, str], defaults: str = DEFAULTS, environ: dict[str, str] | None = None) -> str:
    """Return the options that the JVM of a session with these settings gets."""
    given = os.environ if environ is None else environ
    found = driver_settings(find_archive(JAVA, settings, given), JAVA, settings, defaults, given)
    assert not found.keys() & settings.keys()
    return found.get(DEFAULT_OPTIONS, "")


def test_it_is_used_with_the_jars_that_it_was_made_of(archive: Path) -> None:
    assert find_archive(JAVA, NOTHING).path == archive
    assert on_class_path(NOTHING).endswith("delta-spark.jar")
    assert options(NOTHING).startswith(DEFAULTS)
    assert f'"-XX:SharedArchiveFile={archive}"' in options(NOTHING)


@pytest.mark.parametrize("jar", ["spark/jars/spark.jar", "environment/share/textclf/jars/delta-spark.jar"])
def test_another_jar_of_that_name_has_no_archive(archive: Path, environment: Path, jar: str) -> None:
    (environment / jar).write_text("other classes")
    assert find_archive(JAVA, NOTHING).missing
    assert options(NOTHING) == DEFAULTS


def test_a_new_jar_a_jar_of_another_time_and_another_java_have_none(archive: Path, environment: Path) -> None:
    jar = environment / "spark/jars/spark.jar"
    before = jar.stat().st_mtime_ns
    os.utime(jar, ns=(before, before + 1_000_000_000))
    assert find_archive(JAVA, NOTHING).missing
    os.utime(jar, ns=(before, before))
    assert find_archive(JAVA, NOTHING).path == archive
    assert find_archive(environment / "java", NOTHING).path is None
    (jar.parent / "more.jar").write_text("")
    assert find_archive(JAVA, NOTHING).missing


def test_an_archive_that_was_cut_short_is_left_out(archive: Path) -> None:
    archive.write_text("jun")
    assert find_archive(JAVA, NOTHING).missing


@pytest.mark.parametrize(
    ("settings", "variables", "why"),
    [
        ({CLASS_PATH: "mine.jar"}, {}, CLASS_PATH),
        ({DEFAULT_OPTIONS: "-Dmine=1"}, {}, DEFAULT_OPTIONS),
        ({"spark.jars": "/mine/delta-spark_4.2_2.13-4.4.0.jar"}, {}, "other jars of Delta"),
        ({"spark.jars.packages": "io.delta:delta-spark_4.2_2.13:4.4.0"}, {}, "other jars of Delta"),
        ({OPTIONS: "-Dmine=1 -XX:SharedArchiveFile=mine.jsa"}, {}, "-XX:SharedArchiveFile=mine.jsa"),
        ({OPTIONS: "-Xshare:off"}, {}, "-Xshare:off"),
        ({}, {"JDK_JAVA_OPTIONS": "-XX:ArchiveClassesAtExit=mine.jsa"}, "-XX:ArchiveClassesAtExit=mine.jsa"),
        ({}, {"SPARK_CONF_DIR": "/"}, "a folder with settings, /"),
        ({}, {"SPARK_PREPEND_CLASSES": "1"}, "SPARK_PREPEND_CLASSES"),
        ({}, {FOLDER: "off"}, f"{FOLDER}=off"),
    ],
)
def test_what_the_user_has_set_leaves_it_out(
    archive: Path, settings: dict[str, str], variables: dict[str, str], why: str
) -> None:
    found = find_archive(JAVA, settings, os.environ | variables)
    assert (found.path, found.missing) == (None, False)
    assert why in found.why_not
    assert "Archive" not in options(settings, environ=os.environ | variables)


def test_other_settings_of_the_user_leave_it_in(archive: Path) -> None:
    ours = ",".join(jar.as_uri() for jar in delta_jars())
    settings = {"spark.jars": f"mine.jar,{ours}", OPTIONS: "-Dmine=1"}
    assert find_archive(JAVA, settings, os.environ | {"HADOOP_CONF_DIR": "/etc"}).path == archive


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("-Dmine=1", DEFAULTS),
        ("-XX:TieredStopAtLevel=4", "-XX:+UseSerialGC"),
        ("-XX:+UseParallelGC", "-XX:TieredStopAtLevel=1"),
        ("-XX:-UseSerialGC -Xmn9m", "-XX:TieredStopAtLevel=1"),
        ("@options", ""),
        ("-XX:Flags=flags", ""),
    ],
)
@pytest.mark.parametrize("place", ["setting", "variable"])
def test_options_for_java_that_the_user_has_set_are_not_set_again(
    environment: Path, given: str, left: str, place: str
) -> None:
    settings, variables = ({OPTIONS: given}, {}) if place == "setting" else ({}, {"JDK_JAVA_OPTIONS": given})
    assert options(settings, environ=os.environ | variables) == left


def test_a_java_that_keeps_its_own_archive_is_told_where(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_archive, "java_version", lambda _: 21)
    assert not find_archive(JAVA, NOTHING).missing
    assert "-XX:+AutoCreateSharedArchive" in options(NOTHING)
    assert str(environment / "environment/share/textclf/classes") in options(NOTHING)


def test_an_environment_of_another_user_gets_its_archive_in_the_users_cache(environment: Path) -> None:
    folder = environment / "environment/share/textclf/classes"
    folder.write_text("a file here keeps root, too, from writing")
    assert class_archive.writable_folder() == environment / "cache/textclf/classes"


def test_a_user_without_a_place_for_files_gets_none(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(environment / "spark/jars/spark.jar/classes"))
    with pytest.raises(ClassArchiveError, match="no folder"):
        make_archive(JAVA)


class TestMaking:
    """What can happen while an archive is made; a script stands for the Java that dumps it."""

    @pytest.fixture(autouse=True)
    def dump(self, environment: Path) -> Path:
        """A ``spark-submit`` that writes ten bytes as the archive, or does what its test makes of it."""
        script = environment / "spark/bin/spark-submit"
        script.parent.mkdir()
        self.script(script, 'case "$*" in *-Xshare:dump*) printf 0123456789 > made.jsa ;; esac')
        return script

    @staticmethod
    def script(path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    @pytest.fixture
    def folder(self, environment: Path) -> Path:
        return environment / "environment/share/textclf/classes"

    def test_it_is_there_only_once_it_is_whole(self, folder: Path) -> None:
        made = make_archive(JAVA)
        assert made.read_bytes() == b"0123456789"
        assert find_archive(JAVA, NOTHING).path == made
        assert sorted(path.name for path in folder.iterdir()) == sorted([".lock", made.name])

    def test_older_ones_but_one_and_what_a_killed_process_left_are_removed(
        self, folder: Path, environment: Path
    ) -> None:
        oldest = make_archive(JAVA)
        os.utime(oldest, (1, 1))
        (environment / "spark/jars/spark.jar").write_text("new classes")
        old = make_archive(JAVA)
        (folder / ".making-killed").mkdir()
        (folder / ".making-killed/made.jsa").write_text("half")
        (environment / "spark/jars/spark.jar").write_text("newer classes")
        made = make_archive(JAVA)
        assert not oldest.exists()
        assert sorted(path.name for path in folder.iterdir()) == sorted([".lock", old.name, made.name])

    def test_a_second_process_leaves_it_to_the_first(
        self, folder: Path, dump: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.script(dump, 'case "$*" in *-Xshare:dump*) sleep 5; printf 0123456789 > made.jsa ;; esac')
        monkeypatch.setenv(FOLDER, str(folder))
        monkeypatch.setenv("TEXTCLF_JARS", str(folder.parent / "jars"))
        first = subprocess.Popen([sys.executable, "-m", class_dump.__name__], cwd=ROOT)
        try:
            while not list(folder.glob(".making-*")):
                time.sleep(0.05)
            with pytest.raises(ClassArchiveError, match="another process"):
                make_archive(JAVA)
        finally:
            assert first.wait(timeout=60) == 0
        assert find_archive(JAVA, NOTHING).path is not None

    def test_what_fails_is_tried_once_and_says_why(self, folder: Path, dump: Path) -> None:
        self.script(dump, "echo no room >&2; exit 1")
        with pytest.raises(ClassArchiveError, match="no room"):
            make_archive(JAVA)
        assert list(folder.glob("classes-*")) == []
        assert "no room" in failed_mark(folder, JAVA).read_text()
        assert "no room" in find_archive(JAVA, NOTHING).why_not
        assert not find_archive(JAVA, NOTHING).missing

    def test_a_full_disk_is_left_alone(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = shutil.disk_usage(folder.parent.parent)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100 << 20))
        with pytest.raises(ClassArchiveError, match="100 MiB free"):
            make_archive(JAVA)
        assert find_archive(JAVA, NOTHING).missing  # the next job tries again


@pytest.fixture(scope="module")
def made() -> Path:
    """The archive of this environment, which is made if there is none."""
    return make_archive(JAVA)


def plain(**variables: str) -> dict[str, str]:
    """The environment without options for Java, of which every JVM would print a note."""
    return {name: value for name, value in os.environ.items() if name not in ENVIRONMENT} | variables


def test_the_list_names_classes_of_spark_and_delta_and_lambdas() -> None:
    names = gzip.decompress(class_dump.LIST.read_bytes()).decode().splitlines()
    assert sum(name.startswith("org/apache/spark/") for name in names) > 5000
    assert sum(name.startswith(("org/apache/spark/sql/delta/", "io/delta/")) for name in names) > 500
    assert sum(name.startswith("@lambda-proxy ") for name in names) > 100
    assert names == sorted(set(names), key=names.index)


def test_a_session_starts_with_the_archive_and_says_nothing(made: Path, tmp_path: Path) -> None:
    log = tmp_path / "classes.log"
    words = f"--master local[1] --driver-java-options -Xlog:class+load:file={log} pyspark-shell"
    done = run_module("tests.spark.session_settings_process", "{}", environ=plain(PYSPARK_SUBMIT_ARGS=words))
    assert "cds" not in done.stderr
    loaded = re.findall(r"\] (\S+) source: (.+)", log.read_text())
    archived = {name for name, source in loaded if source.startswith("shared objects file")}
    assert "io.delta.sql.DeltaSparkSessionExtension" in archived
    read = {name for name, source in loaded if source.startswith("jrt:/") or source.endswith(".jar")}
    assert len(archived) > 9 * len(read)
    settings = json.loads(done.stdout)
    assert "spark.jars" not in settings
    assert "delta-spark" in settings[CLASS_PATH]


@pytest.mark.parametrize("content", ["", "junk" * 100_000])
def test_an_archive_of_another_content_breaks_nothing_and_prints_nothing(
    archive: Path, content: str, tmp_path: Path
) -> None:
    archive.write_text(content)
    renamed = archive.rename(archive.with_name(class_archive.archive_name(JAVA, len(content))))
    words = options(NOTHING).replace('"', "").split()
    assert f"-XX:SharedArchiveFile={renamed}" in words
    command = [str(JAVA / "bin" / "java"), *words, "-cp", str(tmp_path), "-version"]
    done = subprocess.run(command, env=plain(), capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert all("ersion" in line or line.startswith("OpenJDK") for line in done.stderr.splitlines()), done.stderr
