"""The class data archive: when it holds, who wins, and that a JVM starts with it or without."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.processes import run_module
from textclf.spark.jars import delta_jars
from textclf.spark.java import java_home
from textclf.spark.launch import class_archive
from textclf.spark.launch.class_archive import (
    CLASS_PATH,
    DEFAULT_OPTIONS,
    OPTIONS,
    ClassArchiveError,
    driver_settings,
    find_archive,
    make_archive,
)

DEFAULTS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
NOTHING: dict[str, str] = {}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python environment and a Spark with one jar each, and no options for Java."""
    monkeypatch.setattr("sys.prefix", str(tmp_path / "environment"))
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "spark"))
    for name in (*class_archive._ENVIRONMENT, "SPARK_CONF_DIR", "TEXTCLF_JARS"):
        monkeypatch.delenv(name, raising=False)
    for jar in (tmp_path / "spark" / "jars" / "spark.jar", class_archive.archive_folder() / "jars" / "delta-spark.jar"):
        jar.parent.mkdir(parents=True)
        jar.write_text("classes")
    return tmp_path


@pytest.fixture
def archive(environment: Path) -> Path:
    """An archive of the environment's jars, with a content that no Java would take."""
    names = f"classes-{class_archive._place(java())}-{class_archive._state(java())}-4.jsa"
    (class_archive.archive_folder() / names).write_text("junk")
    return class_archive.archive_folder() / names


def java() -> Path:
    return java_home()


def test_it_is_used_with_the_jars_that_it_was_made_of(archive: Path) -> None:
    assert find_archive(java(), NOTHING).path == archive

    settings = driver_settings(java(), NOTHING, DEFAULTS)

    assert settings[CLASS_PATH].endswith("delta-spark.jar")
    assert settings[DEFAULT_OPTIONS].startswith(DEFAULTS)
    assert f'"-XX:SharedArchiveFile={archive}"' in settings[DEFAULT_OPTIONS]


@pytest.mark.parametrize("jar", ["spark/jars/spark.jar", "environment/share/textclf/jars/delta-spark.jar"])
def test_another_jar_of_that_name_has_no_archive(archive: Path, environment: Path, jar: str) -> None:
    (environment / jar).write_text("other classes")

    found = find_archive(java(), NOTHING)

    assert found.path is None
    assert "textclf.spark.launch.provision" in found.fix
    assert CLASS_PATH not in driver_settings(java(), NOTHING, DEFAULTS)


def test_a_new_jar_a_jar_of_another_time_and_another_java_have_none(archive: Path, environment: Path) -> None:
    jar = environment / "spark" / "jars" / "spark.jar"
    before = jar.stat().st_mtime_ns
    os.utime(jar, ns=(before, before + 1_000_000_000))
    assert find_archive(java(), NOTHING).path is None
    os.utime(jar, ns=(before, before))
    assert find_archive(java(), NOTHING).path == archive
    assert find_archive(environment / "java", NOTHING).path is None

    (jar.parent / "more.jar").write_text("")
    assert find_archive(java(), NOTHING).path is None


def test_an_archive_that_was_cut_short_is_left_out(archive: Path) -> None:
    archive.write_text("jun")

    assert find_archive(java(), NOTHING).path is None


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
    ],
)
def test_what_the_user_has_set_leaves_it_out(
    archive: Path, settings: dict[str, str], variables: dict[str, str], why: str
) -> None:
    found = find_archive(java(), settings, os.environ | variables)

    assert found.path is None
    assert why in found.why_not
    added = driver_settings(java(), settings, DEFAULTS, os.environ | variables)
    assert not added.keys() & settings.keys()
    assert "Archive" not in str(added)


def test_other_settings_of_the_user_leave_it_in(archive: Path) -> None:
    ours = ",".join(jar.as_uri() for jar in delta_jars())
    settings = {"spark.jars": f"mine.jar,{ours}", OPTIONS: "-Dmine=1"}

    assert find_archive(java(), settings, os.environ | {"HADOOP_CONF_DIR": "/etc"}).path == archive


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("-Dmine=1", DEFAULTS),
        ("-XX:TieredStopAtLevel=4", "-XX:+UseSerialGC"),
        ("-XX:+UseParallelGC", "-XX:TieredStopAtLevel=1"),
        ("-XX:-UseSerialGC -Xmn9m", "-XX:TieredStopAtLevel=1"),
    ],
)
@pytest.mark.parametrize("place", ["setting", "variable"])
def test_options_for_java_that_the_user_has_set_are_not_set_again(
    environment: Path, given: str, left: str, place: str
) -> None:
    settings, variables = ({OPTIONS: given}, {}) if place == "setting" else ({}, {"JDK_JAVA_OPTIONS": given})

    added = driver_settings(java(), settings, DEFAULTS, os.environ | variables)

    assert added == {DEFAULT_OPTIONS: left}


def test_an_environment_that_cannot_be_written_to_gets_none(environment: Path) -> None:
    folder = class_archive.archive_folder()
    folder.rename(folder.with_name("moved"))
    folder.write_text("a file here keeps root, too, from writing")

    with pytest.raises(ClassArchiveError, match="cannot be made"):
        make_archive(java())


def _plain() -> dict[str, str]:
    """The environment without options for Java, of which every JVM would print a note."""
    return {name: value for name, value in os.environ.items() if name not in class_archive._ENVIRONMENT}


def test_a_session_starts_with_the_archive_of_set_up_and_says_nothing(tmp_path: Path) -> None:
    log = tmp_path / "classes.log"
    words = f"--master local[1] --driver-java-options -Xlog:class+load:file={log} pyspark-shell"

    done = run_module("tests.spark.session_settings_process", "{}", environ=_plain() | {"PYSPARK_SUBMIT_ARGS": words})

    assert "cds" not in done.stderr
    loaded = log.read_text()
    assert loaded.count("source: shared objects file (top)") > 5000
    assert "DeltaSparkSessionExtension source: shared objects file (top)" in loaded


@pytest.mark.parametrize("content", ["", "junk" * 100_000])
def test_an_archive_of_another_content_breaks_nothing_and_prints_nothing(
    archive: Path, content: str, tmp_path: Path
) -> None:
    archive.write_text(content)
    renamed = archive.rename(archive.with_name(archive.name.replace("-4.jsa", f"-{len(content)}.jsa")))
    options = shlex.split(driver_settings(java(), NOTHING, DEFAULTS)[DEFAULT_OPTIONS])
    assert f"-XX:SharedArchiveFile={renamed}" in options
    command = [str(java() / "bin" / "java"), *options, "-cp", str(tmp_path), "-version"]

    done = subprocess.run(command, env=_plain(), capture_output=True, text=True, check=True)

    assert done.stdout == ""
    assert all("ersion" in line or line.startswith("OpenJDK") for line in done.stderr.splitlines()), done.stderr
