"""The settings of our sessions, and the cost of importing textclf."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.processes import run_module
from textclf.spark import FEW_ROWS, SHORT_WORK
from textclf.spark.java import java_home
from textclf.spark.launch.class_archive import DEFAULT_OPTIONS, ENVIRONMENT
from textclf.spark.locales import utf8_locale
from textclf.spark.session import _check_locale


def _settings_of_a_new_session(submit_args: str = "", overrides: dict[str, str] | None = None) -> dict[str, Any]:
    environ = os.environ | {"PYSPARK_SUBMIT_ARGS": f"{submit_args} pyspark-shell"}
    done = run_module("tests.spark.session_settings_process", json.dumps(overrides or {}), environ=environ)
    settings: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return settings


def test_what_spark_submit_set_stays() -> None:
    settings = _settings_of_a_new_session(
        "--master local[1] --name given --conf spark.sql.shuffle.partitions=7 "
        "--conf spark.executorEnv.OMP_NUM_THREADS=3 --conf spark.python.unix.domain.socket.enabled=false",
        {"spark.sql.shuffle.partitions": "9", "spark.sql.session.timeZone": "Europe/Berlin"},
    )

    assert settings["spark.master"] == "local[1]"
    assert settings["spark.app.name"] == "given"
    assert settings["spark.sql.shuffle.partitions"] == "7"
    assert settings["spark.executorEnv.OMP_NUM_THREADS"] == "3"
    assert settings["spark.python.unix.domain.socket.enabled"] == "false"
    assert settings["spark.sql.session.timeZone"] == "Europe/Berlin"


def test_without_anything_given_it_is_local_with_our_defaults() -> None:
    settings = _settings_of_a_new_session()

    assert settings["spark.master"] == "local[*]"
    assert settings["spark.app.name"] == "a name"
    assert settings["spark.sql.session.timeZone"] == "UTC"
    assert settings["spark.driver.host"] == "127.0.0.1"
    assert settings["spark.python.unix.domain.socket.enabled"] == "true"
    assert "delta-spark" in settings["spark.driver.extraClassPath"]
    assert "spark.jars" not in settings


def _room_for_compiled_code(options: str) -> int:
    command = [str(java_home() / "bin/java"), *options.split(), "-XX:+PrintFlagsFinal", "-version"]
    environ = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    said = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    (found,) = re.findall(r"\bReservedCodeCacheSize += (\d+)", said)
    return int(found)


@pytest.mark.parametrize("settings", [FEW_ROWS, SHORT_WORK])
def test_a_driver_without_the_second_compiler_has_as_much_room_for_compiled_code(settings: dict[str, str]) -> None:
    room = {options: _room_for_compiled_code(options) for options in ("", settings[DEFAULT_OPTIONS])}

    assert room[settings[DEFAULT_OPTIONS]] == room[""]


def test_folders_are_named_in_utf8_in_the_c_locale(tmp_path: Path) -> None:
    source = "café 東京 😀"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}

    words = (tmp_path / "table", source.encode().hex())
    run_module("tests.spark.partition_name_process", *words, environ=environ | {"LC_ALL": "C", "LANG": "C"})

    assert f"source={source}".encode() in os.listdir(os.fsencode(tmp_path / "table"))


def _worker_environment(_: int) -> dict[str, str | None]:
    return {
        name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS")
    }


def test_workers_compute_with_one_thread(spark: SparkSession) -> None:
    assert spark.sparkContext.parallelize([0], 1).map(_worker_environment).first() == {
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def test_workers_run_the_python_of_the_driver(spark: SparkSession) -> None:
    assert spark.sparkContext.parallelize([0], 1).map(lambda _: sys.executable).first() == sys.executable


def test_delta_tables_can_be_written_and_read(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(3).write.format("delta").save(str(tmp_path / "table"))

    assert spark.read.format("delta").load(str(tmp_path / "table")).count() == 3


@pytest.mark.parametrize(
    "module", ["textclf", "textclf.workflow.runner", "textclf.spark", "textclf.config", "textclf.storage"]
)
def test_importing_loads_no_deep_learning(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'tensorflow', 'keras', 'jax', 'torch'}} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


_JOBS = sorted((Path(__file__).parents[2] / "jobs").glob("[a-z]*.py"))


@pytest.mark.parametrize("job", _JOBS, ids=lambda path: path.stem)
def test_the_help_of_a_job_loads_no_deep_learning(job: Path) -> None:
    # -X importtime lists every module that is loaded.
    done = subprocess.run(
        [sys.executable, "-X", "importtime", job, "--help"], capture_output=True, text=True, check=True
    )

    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "--config" in done.stdout
    assert not loaded & {"tensorflow", "keras", "jax"}


@pytest.mark.parametrize("job", _JOBS, ids=lambda path: path.stem)
def test_no_job_hides_a_standard_module(job: Path) -> None:
    assert job.stem not in sys.stdlib_module_names


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "C.UTF-8"),
        ({"LANG": "en_US.UTF-8"}, "en_US.UTF-8"),
        ({"LANG": "C", "LC_CTYPE": "de_DE.utf8"}, "de_DE.utf8"),
        ({"LANG": "en_US.UTF-8", "LC_CTYPE": "de_DE.ISO-8859-1"}, "C.UTF-8"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, "C.UTF-8"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": ""}, "en_US.UTF-8"),
        ({"LC_ALL": "ca_ES.UTF-8@valencia", "LANG": "C"}, "ca_ES.UTF-8@valencia"),
        ({"LANG": "UTF-8"}, "C.UTF-8"),
    ],
)
def test_executors_get_the_locale_that_the_driver_has_where_it_is_utf8(environ: dict[str, str], expected: str) -> None:
    assert utf8_locale(environ) == expected


def test_a_java_that_does_not_tell_its_encoding_is_not_complained_about(spark: SparkSession) -> None:
    assert spark._jvm is not None
    java = spark._jvm.java.lang.System
    before = java.getProperty("sun.jnu.encoding")
    try:
        java.clearProperty("sun.jnu.encoding")
        _check_locale(spark)
    finally:
        java.setProperty("sun.jnu.encoding", before)
    assert spark.range(1).count() == 1
