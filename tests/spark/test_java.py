"""Java is found where it is installed, and a missing Java gives one clear message."""

from pathlib import Path

import pytest

from textclf.spark import java
from textclf.spark.launch import provision
from textclf.spark.launch.class_archive import ENVIRONMENT


def _java(home: Path, version: str) -> Path:
    """Create a Java home whose ``bin/java`` prints a version as a real one does."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-01' >&2\n")
    program.chmod(0o755)
    return home


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a machine without Java, a package manager or sudo."""
    monkeypatch.setattr(java, "_HOMES", ())
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.parametrize(("printed", "version"), [("17.0.15", 17), ("21", 21), ("1.8.0_402", 8), ("25-ea", 25)])
def test_version_of_a_home(tmp_path: Path, printed: str, version: int) -> None:
    assert java.java_version(_java(tmp_path / "jdk", printed)) == version


def test_a_java_home_without_java_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _java(tmp_path / "jdk", "17.0.1")
    (tmp_path / "no-java").mkdir()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "no-java"))
    monkeypatch.setenv("PATH", f"{found}/bin:/usr/bin:/bin")

    assert java.find_java() == found


def test_java_home_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = _java(tmp_path / "a", "21"), _java(tmp_path / "b", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(first))
    monkeypatch.setenv("PATH", f"{second}/bin:/usr/bin:/bin")

    assert java.find_java() == first


def test_an_old_java_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_HOMES", ())
    monkeypatch.setenv("PATH", f"{_java(tmp_path / 'jdk8', '1.8.0_402')}/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)

    assert java.find_java() is None


def test_without_java_the_message_says_what_to_install(nothing_installed: None) -> None:
    with pytest.raises(java.JavaError) as caught:
        java.java_home()

    assert "No Java 17 or later" in str(caught.value)
    assert "apt-get install openjdk-17-jre-headless" in str(caught.value)


def test_provisioning_without_java_exits_with_1(nothing_installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert provision.main([]) == 1

    assert "No Java 17 or later" in capsys.readouterr().err


@pytest.fixture
def installs(nothing_installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a fake package manager that logs its arguments and a sudo that always permits; return the log's path."""
    noted, programs = tmp_path / "installed", tmp_path / "programs"
    programs.mkdir()
    for name, text in (("apt-get", f'echo "$@" >> {noted}'), ("sudo", 'shift; [ "$1" = true ] || "$@"')):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return noted


def test_set_up_alone_installs_java(installs: Path) -> None:
    with pytest.raises(java.JavaError):
        java.java_home()
    assert not installs.exists()

    assert provision.main([]) == 1
    assert "openjdk-17-jre-headless" in installs.read_text()


def test_java_alone_needs_no_packages_and_leaves_the_verdict_to_the_next_step(installs: Path) -> None:
    assert provision.main(["--java"]) == 0

    assert "openjdk-17-jre-headless" in installs.read_text()


@pytest.mark.parametrize(("folder", "started"), [("", 1), ("off", 0)])
def test_an_environment_that_is_ready_gets_its_archive_afterwards(
    folder: str, started: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)  # the tests have an archive of their own
    monkeypatch.setenv("TEXTCLF_CLASS_ARCHIVES", folder or str(tmp_path))
    monkeypatch.setattr(provision, "compile_companion", lambda: tmp_path)
    monkeypatch.setattr(provision, "make_at_exit", asked.append)

    assert provision.main([]) == 0

    assert len(asked) == started
    assert list(tmp_path.iterdir()) == []


def test_the_home_in_use_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_java(tmp_path / "jdk", "17.0.1")))

    assert provision.main(["--java-home"]) == 0

    assert capsys.readouterr().out == f"{tmp_path / 'jdk'}\n"
