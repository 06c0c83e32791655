"""OpenLineage: a Spark listener reports to a collector which tables a run reads and writes.

The listener and its settings: https://openlineage.io/docs/integrations/spark/. Its jar is fetched only if a pipeline
file asks for it.
"""

import base64
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyspark import SparkConf

from textclf.common.credentials import userinfo
from textclf.errors import TextclfError
from textclf.spark.jars import jar_folder, resolve_into

COORDINATES = "io.openlineage:openlineage-spark_2.13:1.53.0"
LISTENER = "io.openlineage.spark.agent.OpenLineageSparkListener"
REDACTION = "spark.redaction.regex"
_DEFAULT_REDACTION = "(?i)secret|password|token|access[.]?key"
"""Spark's default, see https://spark.apache.org/docs/latest/configuration.html."""
_TRANSPORT = r"(?i:openlineage\.transport\.(?!(?:type|location|endpoint|compression)$))"
"""Settings of the transport that may hold credentials: the URL, whose parameters may be keys, headers and others."""


class LineageError(TextclfError):
    """Lineage was requested and cannot be reported."""


@dataclass(frozen=True)
class Collector:
    """Where lineage events go, and the namespace of jobs there."""

    url: str
    namespace: str

    @property
    def settings(self) -> Mapping[str, str]:
        """Spark's settings for the listener that hold no credentials."""
        return {"spark.openlineage.transport.type": "http", "spark.openlineage.namespace": self.namespace}

    @property
    def address(self) -> Mapping[str, str]:
        """Spark's settings that may hold credentials. User and password go into a header, where servers expect them."""
        url, user, password = userinfo(self.url)
        found = {"spark.openlineage.transport.url": url}
        if user or password:
            basic = base64.b64encode(f"{user}:{password}".encode()).decode()
            found["spark.openlineage.transport.headers.Authorization"] = f"Basic {basic}"
        return found


def lineage_jars() -> list[Path]:
    """Return the listener's jars, which are fetched the first time.

    Raises:
        JarsError: The jars are missing and cannot be fetched.
    """
    return resolve_into(
        jar_folder() / "lineage",
        COORDINATES,
        "OpenLineage's jar cannot be fetched.",
        "check the network, put the jar into the folder lineage of the jars' folder, or leave out [lineage]",
    )


def add_lineage(conf: SparkConf, collector: Collector) -> None:
    """Add the listener and its settings to Spark's configuration; existing settings are kept.

    The collector's address is added later, by ``add_address``.

    Raises:
        JarsError: The jar is missing and cannot be fetched.
        LineageError: The JVM runs already, without the jar.
    """
    for key, value in collector.settings.items():
        conf.setIfMissing(key, value)
    redact(conf)
    listeners = conf.get("spark.extraListeners", "") or ""
    if LISTENER not in listeners:
        conf.set("spark.extraListeners", ",".join(filter(None, [listeners, LISTENER])))
    jars, packages = conf.get("spark.jars", "") or "", conf.get("spark.jars.packages", "") or ""
    if "openlineage-spark" in jars + packages:
        return
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        raise LineageError(
            "Lineage needs its jar when the driver starts.",
            received="a driver that spark-submit has started without the jar",
            expected="openlineage-spark among the jars",
            fix=f"give spark-submit --packages {COORDINATES}, or leave out [lineage]",
        )
    joined = ",".join(filter(None, [jars, *map(str, lineage_jars())]))
    conf.set("spark.jars", joined)
    if given := shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", "")):
        # An option there takes precedence over a setting, and the last of several options counts.
        os.environ["PYSPARK_SUBMIT_ARGS"] = shlex.join([*given[:-1], "--jars", joined, given[-1]])


def add_address(conf: SparkConf, collector: Collector) -> None:
    """Add settings that may hold credentials once the JVM runs; earlier ones would be visible on its command line."""
    for key, value in collector.address.items():
        conf.setIfMissing(key, value)


def redact(conf: SparkConf) -> None:
    """Make Spark hide the transport's settings in its web UI and event log, beside what it hides anyway."""
    given = conf.get(REDACTION, "") or _DEFAULT_REDACTION
    if _TRANSPORT not in given:
        conf.set(REDACTION, f"{given}|{_TRANSPORT}")
