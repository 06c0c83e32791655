"""A real YARN on loopback with HDFS as its file system: Hadoop's mini clusters in one separate JVM."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.factories.hdfs import mini_cluster_jvm, mini_hdfs
from textclf.common.spark_settings import spark_home
from textclf.spark.companion import compile_java

QUEUE = "nights"
"""A queue beside ``default``."""
_SETTINGS = {
    "yarn.resourcemanager.scheduler.class": "org.apache.hadoop.yarn.server.resourcemanager.scheduler.capacity."
    "CapacityScheduler",
    "yarn.scheduler.capacity.root.queues": f"default,{QUEUE}",
    "yarn.scheduler.capacity.root.default.capacity": "50",
    "yarn.scheduler.capacity.root.default.maximum-capacity": "100",
    f"yarn.scheduler.capacity.root.{QUEUE}.capacity": "50",
    f"yarn.scheduler.capacity.root.{QUEUE}.maximum-capacity": "100",
    # By default application masters get a tenth of a queue, which is less than one container here.
    "yarn.scheduler.capacity.maximum-am-resource-percent": "1.0",
    "yarn.scheduler.minimum-allocation-mb": "256",
    "yarn.nodemanager.resource.memory-mb": "6144",
    "yarn.nodemanager.resource.cpu-vcores": "8",
    # JVMs reserve more addresses than they use.
    "yarn.nodemanager.vmem-check-enabled": "false",
    "yarn.nodemanager.pmem-check-enabled": "false",
    # A nearly full disk is good enough for tests.
    "yarn.nodemanager.disk-health-checker.enable": "false",
    "yarn.nodemanager.delete.debug-delay-sec": "3600",  # the logs of containers stay
}
_ADDRESSES = ("address", "scheduler.address", "webapp.address", "resource-tracker.address", "admin.address")


@dataclass(frozen=True)
class Yarn:
    """A running cluster.

    Attributes:
        conf: Folder for ``HADOOP_CONF_DIR``.
        hdfs: URL of the default file system.
        folder: Folder below which containers keep their files and logs.
    """

    conf: Path
    hdfs: str
    folder: Path

    def driver_output(self, application: str) -> str:
        """Return the standard output of the driver of an application in cluster mode."""
        (found,) = self.folder.rglob(f"{application}/container_*_000001/stdout")
        return found.read_text()

    def logs(self, application: str) -> str:
        """Return the standard error of all containers of an application."""
        return "".join(found.read_text() for found in self.folder.rglob(f"{application}/container_*/stderr"))


def application_in(said: str) -> str:
    """Return the identifier of the one application that spark-submit's output names."""
    (found,) = set(re.findall(r"application_\d+_\d+", said))
    return str(found)


@contextmanager
def yarn_cluster(folder: Path) -> Iterator[Yarn]:
    """Start HDFS, a resource manager and a node manager with their files in a folder."""
    with (
        mini_cluster_jvm(folder, "yarn.log", "-Xmx1g", classes=_classes(folder)) as jvm,
        mini_hdfs(jvm, folder) as hdfs,
    ):
        settings = jvm.org.apache.hadoop.yarn.conf.YarnConfiguration()
        local = {"fs.defaultFS": hdfs, "yarn.nodemanager.local-dirs": str(folder / "local")}
        for name, value in (_SETTINGS | local).items():
            settings.set(name, value)
        cluster = jvm.org.apache.hadoop.yarn.server.MiniYARNCluster("textclf", 1, 1, 1)
        try:
            cluster.init(settings)
            cluster.start()
            yield Yarn(_conf_folder(folder, cluster.getConfig(), hdfs), hdfs, folder)
        finally:
            cluster.stop()


def _classes(folder: Path) -> Path:
    """Make the folder of the class that sets permissions of local files, and of the setting that chooses it."""
    classes = folder / "classes"
    classes.mkdir()
    compile_java([Path(__file__).parent / "java" / "LocalPermissions.java"], classes)
    _write(classes / "core-site.xml", {"fs.file.impl": "LocalPermissions"})
    return classes


def spark_settings() -> dict[str, str]:
    """Return Spark's settings for small containers on loopback, with the jars of this machine's Spark."""
    java = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    return {
        "spark.master": "yarn",
        "spark.yarn.jars": f"local:{spark_home()}/jars/*",
        "spark.yarn.am.memory": "512m",
        "spark.driver.memory": "800m",
        "spark.executor.memory": "600m",
        "spark.executor.memoryOverhead": "400m",
        "spark.executor.instances": "1",
        "spark.driver.extraJavaOptions": java,
        "spark.executor.extraJavaOptions": java,
        "spark.yarn.report.interval": "500ms",
        "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
    }


def _conf_folder(folder: Path, settings: Any, hdfs: str) -> Path:
    """Write the addresses of the cluster as its users have them."""
    names = [f"yarn.resourcemanager.{name}" for name in _ADDRESSES]
    conf = folder / "conf"
    conf.mkdir()
    _write(conf / "core-site.xml", {"fs.defaultFS": hdfs})
    _write(conf / "yarn-site.xml", {name: settings.get(name) for name in names})
    return conf


def _write(path: Path, values: Mapping[str, str]) -> None:
    properties = (
        f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>\n"
        for name, value in values.items()
    )
    path.write_text(f"<configuration>\n{''.join(properties)}</configuration>\n")
