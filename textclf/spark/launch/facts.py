"""How the driver's JVM was started, for the run record."""

import re
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from textclf.common.java_classes import JavaClasses

_COLLECTORS = {"Copy": "serial", "G1 Young Generation": "G1", "PS Scavenge": "parallel"}
"""Names of collectors, by the name of the one for young objects in Java's management interface."""
_ARCHIVE = re.compile(r"-XX:SharedArchiveFile=([^,\]]+)")


def launch_facts(spark: SparkSession) -> dict[str, Any]:
    """Return how the driver's JVM was started, as the JVM itself says it.

    Args:
        spark: An open session.

    Returns:
        ``java``: version; ``compilers``: ``C1`` or ``C1, C2``; ``collector``: ``serial``, ``G1`` or another;
        ``class_archive``: name of the class data archive that is in use, or None.
    """
    jvm = JavaClasses(spark._jvm)
    management = jvm.java.lang.management.ManagementFactory
    text = management.getRuntimeMXBean().getInputArguments().toString()
    mode = jvm.java.lang.System.getProperty("java.vm.info") or ""
    young = management.getGarbageCollectorMXBeans().get(0).getName()
    archive = _ARCHIVE.search(text)
    return {
        "java": jvm.java.lang.System.getProperty("java.version"),
        "compilers": "C1" if "emulated-client" in mode else "C1, C2",
        "collector": _COLLECTORS.get(young, young),
        "class_archive": Path(archive[1].strip()).name if archive and "sharing" in mode else None,
    }
