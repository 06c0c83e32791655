"""A real HDFS on loopback: Hadoop's mini cluster in a separate JVM, driven through Py4J."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

from tests.cluster_jars import HDFS, cluster_jars
from textclf.common.spark_settings import spark_home
from textclf.spark.java import java_home


@contextmanager
def hdfs_cluster(folder: Path) -> Iterator[str]:
    """Start a name node and a data node with their files in a folder; yield the URL ``hdfs://127.0.0.1:PORT``."""
    with mini_cluster_jvm(folder, "hdfs.log", "-Xmx512m") as jvm, mini_hdfs(jvm, folder) as url:
        yield url


@contextmanager
def mini_cluster_jvm(folder: Path, log: str, *options: str, classes: Path | None = None) -> Iterator[Any]:
    """Start a JVM with the classes of Hadoop's mini clusters, and yield its classes.

    Args:
        folder: Folder below which the clusters keep their files.
        log: Name of the file of the output.
        *options: Options of the JVM.
        classes: Folder of more classes and settings; none by default.
    """
    jars = [*([classes] if classes else []), *cluster_jars(HDFS), *sorted(spark_home().glob("jars/*.jar"))]
    with (folder / log).open("w") as output:
        port, token = launch_gateway(
            jarpath=str(next(spark_home().glob("jars/py4j-*.jar"))),
            classpath=os.pathsep.join(map(str, jars)),
            java_path=str(java_home() / "bin" / "java"),
            javaopts=[
                *options,
                "-XX:TieredStopAtLevel=1",
                "-Djava.net.preferIPv4Stack=true",
                f"-Dtest.build.data={folder}",
            ],
            enable_auth=True,
            die_on_exit=True,
            redirect_stdout=output,
            redirect_stderr=output,
        )
        gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token, auto_convert=True))
        try:
            yield gateway.jvm
        finally:
            gateway.shutdown()


@contextmanager
def mini_hdfs(jvm: Any, folder: Path) -> Iterator[str]:
    """Start HDFS in a JVM with the classes of the mini clusters; yield its URL."""
    settings = jvm.org.apache.hadoop.conf.Configuration()
    settings.set("hdfs.minidfs.basedir", str(folder))
    settings.set("dfs.replication", "1")
    cluster = getattr(jvm.org.apache.hadoop.hdfs, "MiniDFSCluster$Builder")(settings).numDataNodes(1).build()
    try:
        cluster.waitActive()
        yield f"hdfs://127.0.0.1:{cluster.getNameNodePort()}"
    finally:
        cluster.shutdown()
