"""What Spark is told about lineage, what it tells, and what is said where it cannot."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark import SparkConf

from tests.commands import ROOT
from tests.receiver import receiver
from textclf.session.jars import JarsError
from textclf.session.lineage import LISTENER, Collector, LineageError, add_lineage, lineage_jars
from textclf.session.options import parse

COLLECTOR = Collector("http://127.0.0.1:5000", "nights")


@pytest.fixture
def jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of jars that holds the listener's, so that nothing is fetched."""
    made = tmp_path / "lineage/openlineage-spark_2.13.jar"
    made.parent.mkdir()
    made.touch()
    monkeypatch.setenv("TEXTCLF_JARS", str(tmp_path))
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    return made


def conf(**given: str) -> SparkConf:
    made = SparkConf(loadDefaults=False)
    for name, value in given.items():
        made.set(f"spark.{name.replace('_', '.')}", value)
    return made


def test_the_listener_is_added_to_what_is_there(jar: Path) -> None:
    made = conf(jars="delta.jar", extraListeners="a.Listener", openlineage_namespace="given")

    add_lineage(made, COLLECTOR)

    assert made.get("spark.extraListeners") == f"a.Listener,{LISTENER}"
    assert made.get("spark.jars") == f"delta.jar,{jar}"
    assert made.get("spark.openlineage.transport.url") == COLLECTOR.url
    assert made.get("spark.openlineage.namespace") == "given"


def test_the_jar_goes_past_what_the_command_line_has(jar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--jars delta.jar --conf 'spark.x=a b' pyspark-shell")

    add_lineage(conf(jars="delta.jar"), COLLECTOR)

    found = parse(shlex.split(os.environ["PYSPARK_SUBMIT_ARGS"]), {"SPARK_CONF_DIR": str(jar.parent)})
    assert found.settings["spark.jars"] == f"delta.jar,{jar}"
    assert (found.settings["spark.x"], found.job) == ("a b", "pyspark-shell")


def test_a_driver_that_runs_already_needs_the_jar_from_the_beginning(
    jar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    with pytest.raises(LineageError, match="give spark-submit --packages"):
        add_lineage(conf(), COLLECTOR)
    add_lineage(conf(jars_packages="io.openlineage:openlineage-spark_2.13:1.0"), COLLECTOR)


@pytest.mark.long
def test_a_collector_hears_what_a_run_wrote(tmp_path: Path) -> None:
    try:
        lineage_jars()
    except JarsError as error:
        pytest.skip(f"needs OpenLineage's jar: {error}")
    (tmp_path / "reviews.tsv").write_text("good food\t1\nbad food\t0\n", encoding="utf-8")
    config = tmp_path / "pipeline.toml"
    command = [sys.executable, str(ROOT / "jobs/ingest_corpus.py"), "--config", str(config)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}

    with receiver() as (url, sent):
        config.write_text(
            f'warehouse = "{tmp_path}/warehouse"\n[[sources]]\nname = "s"\npath = "{tmp_path}/reviews.tsv"\n'
            f'format = "tsv"\ncolumns = ["text", "label"]\n[lineage]\nurl = "{url}"\nnamespace = "nights"\n',
            encoding="utf-8",
        )
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    events = [json.loads(body) for _, _, body in sent]
    assert {event["job"]["namespace"] for event in events} == {"nights"}
    assert {"START", "COMPLETE"} <= {event["eventType"] for event in events}
    written = {output["name"] for event in events for output in event["outputs"]}
    assert f"{tmp_path}/warehouse/corpus" in written, (sorted(written), done.stderr)
