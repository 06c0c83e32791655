"""A class-data sharing archive for the JVMs of the tests, which spend most of their start-up loading classes.

https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html, "Application Class Data Sharing". A JVM with
a different class path or release ignores it.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark

from textclf.common.spark_settings import spark_home
from textclf.spark import open_session
from textclf.spark.jars import delta_jars
from textclf.spark.java import java_home

# The C2 compiler costs more time than it saves in a JVM that lives for seconds.
OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_ROOT = Path(__file__).parents[1]


def java_options() -> str:
    """Return the options of every test JVM; the archive is created if it does not exist."""
    archive = _ROOT / "build" / f"tests-{_digest()}.jsa"
    if not archive.exists():
        _make(archive)
    # Logging is off: warnings about an archive that does not match would mix with the output of jobs.
    return f"{OPTIONS} -XX:SharedArchiveFile={archive} -Xlog:cds*=off" if archive.exists() else OPTIONS


def _digest() -> str:
    java = java_home()
    release = (java / "release").read_bytes() if (java / "release").exists() else str(java).encode()
    jars = "\n".join(sorted(str(jar) for jar in (*(spark_home() / "jars").glob("*.jar"), *delta_jars())))
    return hashlib.sha256(release + f"{java}\n{pyspark.__version__}\n{jars}".encode()).hexdigest()[:16]


def _make(archive: Path) -> None:
    """Create the archive if possible; without it the tests still pass, but are slower."""
    archive.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="tests-jsa-") as scratch:
        made = Path(scratch) / "made.jsa"
        environ = os.environ | {
            "JDK_JAVA_OPTIONS": f"{OPTIONS} -XX:ArchiveClassesAtExit={made} -Xlog:cds*=off",
            "PYTHONPATH": str(_ROOT),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        command = [sys.executable, "-m", "tests.class_archive", scratch]
        done = subprocess.run(command, env=environ, capture_output=True, check=False, cwd=_ROOT)
        if done.returncode == 0 and made.exists():
            made.replace(archive)
        else:
            sys.stderr.write(f"The tests run without a class archive: {done.stderr.decode(errors='replace')[-500:]}\n")


def _unchanged(batches: Iterator[Any]) -> Iterator[Any]:
    yield from batches


def _load_classes(scratch: Path) -> None:
    """Load the classes that the tests use, then stop this JVM so that it writes the archive."""
    spark = open_session("class archive", {"spark.master": "local[2]", "spark.ui.showConsoleProgress": "false"})
    table, files = str(scratch / "table"), str(scratch / "files")
    rows = spark.range(100).selectExpr("id", "cast(id AS string) AS text", "id % 2 AS source")
    rows.write.partitionBy("source").format("delta").save(table)
    rows.write.partitionBy("source").format("delta").mode("append").save(table)
    spark.sql(f"DELETE FROM delta.`{table}` WHERE id = 3")
    rows.write.parquet(files)
    found = spark.read.parquet(files).join(spark.read.format("delta").load(table), "id").groupBy("id").count()
    found.orderBy("id").collect()
    spark.read.text(files).mapInArrow(_unchanged, "value string").count()
    gateway: Any = spark.sparkContext._gateway
    spark.stop()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=300)


if __name__ == "__main__":
    _load_classes(Path(sys.argv[1]))
