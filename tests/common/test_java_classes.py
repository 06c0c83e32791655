"""Classes of the JVM by name: the same as Py4J's, without its questions."""

import pickle
from typing import Any

import pytest
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from textclf.common.java_classes import JavaClasses


def test_names_stand_for_the_classes_that_py4j_finds(spark: SparkSession) -> None:
    theirs: Any = spark._jvm
    for found in (JavaClasses(theirs), theirs):
        assert str(found.org.apache.hadoop.fs.Path("/a/b").getName()) == "b"
        assert found.java.lang.Integer.parseInt("7") == 7
        assert str(getattr(found.scala.util, "Left$").__getattr__("MODULE$").toString()) == "Left"
        assert str(found.java.util.Map.Entry._fqn) == "java.util.Map$Entry"


def test_nothing_is_asked_of_the_jvm_for_a_name(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    jvm: Any = spark._jvm
    send = jvm._gateway_client.send_command

    def noted(command: str, *given: Any, **more: Any) -> Any:
        sent.append(command)
        return send(command, *given, **more)

    monkeypatch.setattr(jvm._gateway_client, "send_command", noted)
    found = JavaClasses(jvm).org.apache.hadoop.fs.Path
    assert sent == []
    found("/a")
    assert [command[0] for command in sent if command[0] != "m"] == ["i"]  # one call, of the constructor


def test_a_class_that_is_missing_is_found_out_when_it_is_used(spark: SparkSession) -> None:
    found = JavaClasses(spark._jvm).org.nowhere.Missing
    with pytest.raises(Py4JError):
        found()


def test_it_has_no_names_that_python_asks_for(spark: SparkSession) -> None:
    with pytest.raises(AttributeError):
        JavaClasses(spark._jvm).__wrapped__  # noqa: B018 - the access is the test
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(JavaClasses(spark._jvm))
