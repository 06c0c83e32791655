"""OpenLineage: the settings passed to Spark, the events it sends, and the message when it is not available."""

import base64
import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pyspark import SparkConf

from tests.commands import ROOT
from tests.processes import run_module
from tests.receiver import receiver
from textclf.spark.jars import JarsError
from textclf.spark.openlineage import (
    _TRANSPORT,
    LISTENER,
    REDACTION,
    Collector,
    LineageError,
    add_address,
    add_lineage,
    lineage_jars,
    redact,
)
from textclf.spark.submit_options import parse

COLLECTOR = Collector("http://127.0.0.1:5000", "nights")


@pytest.fixture
def jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a jar folder that already has the listener's jar, so that nothing is fetched."""
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
    add_address(made, COLLECTOR)

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


def test_what_spark_hides_anyway_and_what_the_user_wants_hidden_stay_hidden() -> None:
    made = conf()
    redact(made)
    redact(made)
    assert made.get(REDACTION) == f"(?i)secret|password|token|access[.]?key|{_TRANSPORT}"
    given = conf(redaction_regex="customer")
    redact(given)
    assert given.get(REDACTION) == f"customer|{_TRANSPORT}"


def test_credentials_of_the_collector_are_in_neither_event_log_nor_command_line(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    jar = tmp_path / "openlineage-spark.jar"
    with zipfile.ZipFile(jar, "w") as made:
        made.writestr("empty", "")
    environ = {key: value for key, value in os.environ.items() if key != "PYSPARK_SUBMIT_ARGS"}
    done = run_module("tests.spark.collector_process", tmp_path / "events", jar, environ=environ)
    basic = base64.b64encode(b"ana:pa/ss-w0rd").decode()
    listener, *java = done.stdout.splitlines()
    assert listener == f"https://collector.example/x?api_key=key-of-ours Basic {basic}"  # with its credentials
    assert java
    assert set(java) == {"java False False False"}
    events = "".join(path.read_text() for path in (tmp_path / "events").rglob("*") if path.is_file())
    assert '"spark.openlineage.namespace":"nights"' in events
    assert not [secret for secret in ("ss-w0rd", "key-of-ours", basic) if secret in events]


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
        url = url.replace("http://", "http://ana:hunter2@")
        config.write_text(
            f'warehouse = "{tmp_path}/warehouse"\n[[sources]]\nname = "s"\npath = "{tmp_path}/reviews.tsv"\n'
            f'format = "tsv"\ncolumns = ["text", "label"]\n[lineage]\nurl = "{url}"\nnamespace = "nights"\n',
            encoding="utf-8",
        )
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert sent.credentials == {f"Basic {base64.b64encode(b'ana:hunter2').decode()}"}
    events = [json.loads(body) for _, _, body in sent]
    assert {event["job"]["namespace"] for event in events} == {"nights"}
    assert {"START", "COMPLETE"} <= {event["eventType"] for event in events}
    written = {output["name"] for event in events for output in event["outputs"]}
    assert f"{tmp_path}/warehouse/corpus" in written, (sorted(written), done.stderr)
