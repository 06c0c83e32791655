"""Classes of the JVM by name: the same as Py4J's, without its questions."""

import pickle

import pytest
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from textclf.common.java_classes import JavaClasses


def test_names_stand_for_the_classes_that_py4j_finds(spark: SparkSession) -> None:
    ours, theirs = JavaClasses(spark._jvm), spark._jvm
    for found in (ours, theirs):
        assert str(found.org.apache.hadoop.fs.Path("/a/b").getName()) == "b"
        assert found.java.lang.Integer.parseInt("7") == 7
        assert str(getattr(found.scala.util, "Left$").__getattr__("MODULE$").toString()) == "Left"
        assert str(found.java.util.Map.Entry._fqn) == "java.util.Map$Entry"


def test_nothing_is_asked_of_the_jvm_for_a_name(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    client = spark._jvm._gateway_client
    send = client.send_command
    monkeypatch.setattr(client, "send_command", lambda *given, **more: sent.append(given[0]) or send(*given, **more))
    found = JavaClasses(spark._jvm).org.apache.hadoop.fs.Path
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
