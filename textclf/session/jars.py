"""Delta's jars: resolved once into the environment, then found there without a network."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from textclf.errors import TextclfError

SPARK_VERSION = "4.2.0"
DELTA_COORDINATES = "io.delta:delta-spark_4.2_2.13:4.4.0"
DELTA_CONF = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}


class JarsError(TextclfError):
    """Delta's jars are missing and cannot be had."""


def jar_folder() -> Path:
    """Folder of the resolved jars: ``TEXTCLF_JARS``, else a place inside the Python environment."""
    return Path(os.environ.get("TEXTCLF_JARS") or Path(sys.prefix) / "share" / "textclf" / "jars")


def delta_jars() -> list[Path]:
    """The resolved jars, none before ``resolve_jars``."""
    return sorted(jar_folder().glob("*.jar"))


def spark_home() -> Path:
    """``SPARK_HOME``, else the Spark inside the installed ``pyspark`` package."""
    import pyspark

    return Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)


def _artifact(jar: str) -> str:
    """A jar's name without its version: ``jackson-core-2.13.5.jar`` as ``jackson-core``."""
    return re.split(r"-\d", jar, maxsplit=1)[0]


def resolve_jars() -> list[Path]:
    """Resolve Delta's jars with Spark's own resolver, once; later calls touch no network.

    Raises:
        JarsError: They are not there and cannot be fetched.
    """
    if not delta_jars():
        with tempfile.TemporaryDirectory() as ivy:
            _fetch(Path(ivy))
            _keep(Path(ivy, "jars"))
    return delta_jars()


def _fetch(ivy: Path) -> None:
    # The resolver runs when a JVM starts; in a process of its own its pages of progress can be kept back.
    code = f"""
from pyspark.sql import SparkSession
settings = {{
    "spark.jars.packages": {DELTA_COORDINATES!r},
    "spark.jars.ivy": {str(ivy)!r},
    "spark.sql.warehouse.dir": {str(ivy)!r},
    "spark.ui.enabled": "false",
}}
SparkSession.builder.master("local[1]").config(map=settings).getOrCreate().stop()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode or not any(ivy.glob("jars/*delta-spark*.jar")):
        raise JarsError(
            "Delta's jars cannot be fetched.",
            received=(done.stderr.strip().splitlines() or ["no message"])[-1],
            expected=f"{DELTA_COORDINATES} from a Maven repository",
            fix="check the network, or put the jars into a folder and set TEXTCLF_JARS to it",
        )


def _keep(fetched: Path) -> None:
    folder = jar_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Filled aside and renamed: a set-up that is cut off leaves no half-filled folder.
    aside = Path(tempfile.mkdtemp(dir=folder.parent))
    aside.chmod(0o755)
    present = {_artifact(jar.name) for jar in spark_home().glob("jars/*.jar")}
    for jar in fetched.glob("*.jar"):
        # Ivy names a file organisation_artifact-version.jar.
        name = jar.name.partition("_")[2]
        if _artifact(name) not in present:  # Spark's own release of a library is the one it is tested with
            shutil.copy(jar, aside / name)
    aside.rename(folder)
