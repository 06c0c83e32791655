"""A session says nothing at its start and end, unless a user's own settings make it."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.processes import run_module
from textclf.spark.startup_output import LOG4J, log4j_file, log4j_variable

SCRIPT = Path(__file__).parents[2] / "textclf/spark/launch/start_driver.sh"
MODULE = "--add-modules=jdk.incubator.vector"
ENVIRON = {name: value for name, value in os.environ.items() if name not in (LOG4J, "JDK_JAVA_OPTIONS")}


def test_a_session_that_works_says_nothing(tmp_path: Path) -> None:
    done = run_module("tests.spark.quiet_process", tmp_path / "table", environ=ENVIRON)

    assert done.stderr == ""
    assert done.stdout == "done None\n"


def test_our_log4j_configuration_gives_way_to_a_users(tmp_path: Path) -> None:
    file = log4j_file()
    assert file is not None
    assert log4j_variable({"SPARK_HOME": str(tmp_path)}) == {LOG4J: file.as_uri()}
    assert log4j_variable({LOG4J: "file:/mine.xml"}) == {}

    for name, folder in (("SPARK_CONF_DIR", tmp_path / "settings"), ("SPARK_HOME", tmp_path / "spark")):
        own = (folder if name == "SPARK_CONF_DIR" else folder / "conf") / "log4j2.xml"
        own.parent.mkdir(parents=True)
        own.touch()
        assert log4j_variable({name: str(folder)}) == {}


@pytest.fixture
def spark_home(tmp_path: Path) -> Path:
    """A Spark whose launcher makes a command of the words in LAUNCHED, one a line, before the given ones."""
    home = tmp_path / "spark home"
    (home / "bin").mkdir(parents=True)
    collect = 'CMD=()\nwhile IFS= read -r word; do CMD+=("$word"); done <<<"$LAUNCHED"\nCMD+=("$@")\n'
    for name, text in {"spark-class": collect + 'exec "${CMD[@]}"\n', "spark-submit": "echo as it is: $*\n"}.items():
        (home / "bin" / name).write_text(f"#!/usr/bin/env bash\n{text}")
        (home / "bin" / name).chmod(0o755)
    return home


def launched(home: Path, *words: str) -> list[str]:
    environ = os.environ | {"SPARK_HOME": str(home), "LAUNCHED": "\n".join(["printf", "%s\\n", *words])}
    done = subprocess.run([SCRIPT, "--conf", "a b=c"], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_spark_adds_no_incubator_module_and_a_user_may(spark_home: Path) -> None:
    rest = ["org.apache.spark.deploy.SparkSubmit", "--conf", "a b=c"]

    assert launched(spark_home, "-Xmx4g", MODULE, "-Da=b c") == ["-Xmx4g", "-Da=b c", *rest]
    assert launched(spark_home, MODULE, "-Xmx4g", MODULE) == [MODULE, "-Xmx4g", *rest]
    assert launched(spark_home, "-Xmx4g") == ["-Xmx4g", *rest]


def test_a_spark_with_another_script_is_started_as_it_is(spark_home: Path) -> None:
    with (spark_home / "bin" / "spark-class").open("a") as file:
        file.write("# the end\n")

    assert launched(spark_home) == ["as it is: --conf a b=c"]
