"""Spark's settings as a command without Spark finds them, and their meaning for an S3 store."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from textclf.common import file_systems
from textclf.common.file_systems import file_system, on_default_storage
from textclf.common.secrets import masked
from textclf.common.spark_settings import PROPERTIES, S3Settings, hadoop_settings, properties_in, s3_settings
from textclf.errors import UsageError

SITE = """<?xml version="1.0"?>
<configuration>
  <property><name>fs.s3a.endpoint</name><value> http://site:1 </value></property>
  <property><name>fs.s3a.access.key</name><value>of the site</value></property>
</configuration>
"""


def test_each_place_overrides_the_one_below_it(tmp_path: Path) -> None:
    (tmp_path / "core-site.xml").write_text(SITE)
    (tmp_path / "spark-defaults.conf").write_text("spark.hadoop.fs.s3a.endpoint http://defaults:2\nspark.master yarn\n")
    (tmp_path / "mine.conf").write_text("# mine\nspark.hadoop.fs.s3a.endpoint = http://mine:3\n")
    folders = {"HADOOP_CONF_DIR": str(tmp_path), "SPARK_CONF_DIR": str(tmp_path)}
    key = {"fs.s3a.access.key": "of the site"}

    assert hadoop_settings({"HADOOP_CONF_DIR": str(tmp_path), "SPARK_HOME": "/nowhere"}) == key | {
        "fs.s3a.endpoint": "http://site:1"
    }
    assert hadoop_settings(folders) == key | {"fs.s3a.endpoint": "http://defaults:2"}
    named = folders | {PROPERTIES: str(tmp_path / "mine.conf")}
    assert hadoop_settings(named) == key | {"fs.s3a.endpoint": "http://mine:3"}


@pytest.mark.parametrize("file", ["core-site.xml", "spark-defaults.conf"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_bytes(b"<open \xff")

    with pytest.raises(UsageError, match="cannot be read"):
        hadoop_settings({"HADOOP_CONF_DIR": str(tmp_path), "SPARK_CONF_DIR": str(tmp_path)})
    with pytest.raises(UsageError, match="cannot be read"):
        hadoop_settings({PROPERTIES: str(tmp_path / "none")})


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from("ab=: \t\f#!\\\n\r\x00\x1c\u2028é"), max_size=30))
@example("spark.hadoop.fs.s3a.secret.key abc=\n")
@example("a \\u00e9\nb\\:c = d\\\n   e\n")
def test_a_file_is_read_as_spark_reads_it(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("settings") / "a.conf"
    path.write_bytes(text.encode())
    jvm: Any = spark._jvm
    found = jvm.org.apache.spark.util.Utils.getPropertiesFromFile(str(path))
    expected = dict(jvm.scala.jdk.javaapi.CollectionConverters.asJava(found))

    found = properties_in(path)
    assert {name: found[name] for name in found if name} == {name: expected[name] for name in expected if name}


def test_a_buckets_own_settings_come_first() -> None:
    given_ = {
        "fs.s3a.endpoint": "store:9000",
        "fs.s3a.connection.ssl.enabled": "false",
        "fs.s3a.bucket.own.endpoint": "https://own",
        "fs.s3a.access.key": "key",
        "fs.s3a.secret.key": "secret",
        "fs.s3a.path.style.access": "true",
    }

    other, own = S3Settings.of("other", given_), S3Settings.of("own", given_)
    assert (other.endpoint, own.endpoint) == ("http://store:9000", "https://own")
    assert other.for_arrow() == {
        "endpoint_override": "store:9000",
        "scheme": "http",
        "region": "us-east-1",
        "access_key": "key",
        "secret_key": "secret",
        "force_virtual_addressing": False,
    }
    assert other.for_deltalake()["AWS_ALLOW_HTTP"] == "true"
    assert own.for_deltalake() == {
        "AWS_ENDPOINT_URL": "https://own",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
    }
    assert S3Settings.of("any", {"fs.defaultFS": "hdfs://x"}) == S3Settings()


def test_urls_are_opened_with_the_settings_unless_they_have_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.conf").write_text("spark.hadoop.fs.s3a.endpoint.region eu-north-1\n")
    monkeypatch.setenv(PROPERTIES, str(tmp_path / "a.conf"))

    system, path = file_system("s3a://bucket/models/")
    assert (system.type_name, system.region, path) == ("s3", "eu-north-1", "bucket/models")
    assert file_system("s3a://bucket/models?region=eu-west-1")[0].region == "eu-west-1"
    assert s3_settings("hdfs://host/models") is None
    monkeypatch.delenv(PROPERTIES)
    assert s3_settings("s3a://bucket/models") is None


def test_variables_of_hadoop_are_replaced_and_what_has_none_is_left_to_others(tmp_path: Path) -> None:
    values = {
        " fs.s3a.access.key ": "${env.KEY}",
        "fs.s3a.secret.key": "${env.NONE}",
        "fs.s3a.endpoint": "http://${host}:${env.PORT:-9000}",
        "host": "${env.HOST}.local",
        "again": "${again}",
        "plain": "a$b{c}",
    }
    properties = [f"<property><name>{name}</name><value>{value}</value></property>" for name, value in values.items()]
    (tmp_path / "core-site.xml").write_text(f"<configuration>{''.join(properties)}</configuration>")

    environ = {"HADOOP_CONF_DIR": str(tmp_path), "SPARK_HOME": "/nowhere", "KEY": "key-of-mine", "HOST": "store"}
    assert hadoop_settings(environ) == {
        "fs.s3a.access.key": "key-of-mine",
        "fs.s3a.endpoint": "http://store.local:9000",
        "host": "store.local",
        "plain": "a$b{c}",
    }


@pytest.mark.parametrize(
    ("endpoint", "left", "region"),
    [
        ("s3.amazonaws.com", None, None),
        ("https://s3.eu-central-1.amazonaws.com", None, "eu-central-1"),
        ("s3-us-gov-west-1.amazonaws.com/", None, "us-gov-west-1"),
        ("s3.cn-north-1.amazonaws.com.cn", None, "cn-north-1"),
        ("http://s3.example.com/", "http://s3.example.com", "us-east-1"),
    ],
)
def test_endpoints_of_amazon_are_regions(endpoint: str, left: str | None, region: str | None) -> None:
    found = S3Settings.of("b", {"fs.s3a.endpoint": endpoint})

    assert (found.endpoint, found.for_arrow().get("region")) == (left, region)
    assert found.for_deltalake().get("AWS_ENDPOINT_URL") == left
    own = S3Settings.of("b", {"fs.s3a.endpoint": endpoint, "fs.s3a.endpoint.region": "eu-north-1"})
    assert own.for_arrow()["region"] == "eu-north-1"


def test_keys_are_neither_shown_nor_said() -> None:
    found = S3Settings.of("b", {"fs.s3a.secret.key": "a-secret-of-mine", "fs.s3a.session.token": "a-token-of-mine"})

    assert "mine" not in repr(found)
    assert masked("it was a-secret-of-mine, with a-token-of-mine") == "it was ${fs.s3a}, with ${fs.s3a}"


def test_a_path_is_where_spark_has_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "_context", lambda: None)  # as in a command without Spark
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert on_default_storage("a") == f"{tmp_path}/a"
    for default in ("hdfs://names:8020", "hdfs://names:8020/"):
        setting = f"<property><name>fs.defaultFS</name><value>{default}</value></property>"
        (tmp_path / "core-site.xml").write_text(f"<configuration>{setting}</configuration>")
        assert on_default_storage("/a/b") == "hdfs://names:8020/a/b"
        assert on_default_storage("a") == f"hdfs://names:8020{tmp_path}/a"
        assert on_default_storage("file:/a") == "file:/a"
        assert on_default_storage("s3a://b/a") == "s3a://b/a"
    (tmp_path / "core-site.xml").write_text("<open")
    assert on_default_storage("/a/b") == "/a/b"
