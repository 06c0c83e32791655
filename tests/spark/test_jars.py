"""Delta's jars are kept in the environment."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from textclf.common.spark_settings import spark_home
from textclf.spark import jars
from textclf.spark.jars import SHA256, JarsError, delta_jars, jar_folder, resolve_jars


def test_the_environment_holds_delta_and_nothing_that_spark_has() -> None:
    names = {jar.name for jar in delta_jars()}

    assert "delta-spark_4.2_2.13-4.4.0.jar" in names
    assert not names & {jar.name for jar in spark_home().glob("jars/*.jar")}


def test_resolved_jars_are_used_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "delta-spark.jar").touch()
    monkeypatch.setenv("TEXTCLF_JARS", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "no Java: nothing could be resolved"))

    assert resolve_jars() == [tmp_path / "delta-spark.jar"]


def test_without_a_network_the_message_says_so_and_no_folder_is_left(tmp_path: Path) -> None:
    # The resolver's repositories are fixed for its JVM, so this runs in a separate process. An empty settings
    # file leaves no repository, as if the network were down.
    settings = tmp_path / "ivy.xml"
    settings.write_text(
        "<ivysettings><settings defaultResolver='none'/><resolvers><chain name='none'/></resolvers></ivysettings>"
    )
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "spark-defaults.conf").write_text(f"spark.jars.ivySettings {settings}\n")
    code = "from textclf.spark.launch.provision import main; raise SystemExit(main([]))"
    environ = os.environ | {"TEXTCLF_JARS": str(tmp_path / "jars"), "SPARK_CONF_DIR": str(tmp_path / "conf")}

    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == JarsError.exit_code
    assert "Delta's jars cannot be fetched." in done.stderr
    assert "check the network" in done.stderr
    assert not (tmp_path / "jars").exists()


def test_the_folder_can_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTCLF_JARS", str(tmp_path))

    assert jar_folder() == tmp_path


def test_the_jars_in_use_are_the_pinned_ones() -> None:
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in delta_jars()}

    assert found.items() <= SHA256.items()


def test_jars_that_are_named_beside_delta_are_pinned() -> None:
    for coordinates in jars._BESIDE:
        _, artifact, version = coordinates.split(":")
        assert f"{artifact}-{version}.jar" in SHA256
        assert artifact not in jars._spark_artifacts()  # which would be left out


@pytest.mark.parametrize("name", ["delta-storage-4.4.0.jar", "surprise-1.0.jar"])
def test_a_fetched_jar_that_is_not_the_pinned_one_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delta = next(jar for jar in delta_jars() if jar.name.startswith("delta-spark"))

    def fetch(ivy: Path, coordinates: str, excludes: str) -> str:
        assert not excludes
        (ivy / "jars").mkdir()
        (ivy / "jars" / f"io.delta_{delta.name}").symlink_to(delta)
        (ivy / "jars" / f"io.delta_{name}").write_bytes(b"another jar of this name")
        return coordinates

    monkeypatch.setenv("TEXTCLF_JARS", str(tmp_path / "jars"))
    monkeypatch.setattr(jars, "_fetch", fetch)

    with pytest.raises(JarsError, match="not the pinned one"):
        resolve_jars()

    assert not (tmp_path / "jars").exists()
