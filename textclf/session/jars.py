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
    fix = "check the network, or put the jars into a folder and set TEXTCLF_JARS to it"
    return resolve_into(jar_folder(), DELTA_COORDINATES, "Delta's jars cannot be fetched.", fix)


def resolve_into(folder: Path, coordinates: str, problem: str, fix: str) -> list[Path]:
    """The jars in a folder; where it has none yet, those of the coordinates are fetched into it.

    Args:
        problem, fix: What the error says where they cannot be fetched.

    Raises:
        JarsError: They are not there and cannot be fetched.
    """
    if not any(folder.glob("*.jar")):
        with tempfile.TemporaryDirectory() as ivy:
            said = _fetch(Path(ivy), coordinates)
            artifact = coordinates.split(":")[1]
            if not any(Path(ivy).glob(f"jars/*{artifact}*.jar")):
                raise JarsError(problem, received=said, expected=f"{coordinates} from a Maven repository", fix=fix)
            _keep(Path(ivy, "jars"), folder)
    return sorted(folder.glob("*.jar"))


def _fetch(ivy: Path, coordinates: str) -> str:
    """Fetch into a folder; what the resolver said of what it did not find, else its last line."""
    # The resolver runs when a JVM starts; in a process of its own its pages of progress can be kept back.
    code = f"""
from pyspark.sql import SparkSession
settings = {{
    "spark.jars.packages": {coordinates!r},
    "spark.jars.ivy": {str(ivy)!r},
    "spark.sql.warehouse.dir": {str(ivy)!r},
    "spark.ui.enabled": "false",
}}
SparkSession.builder.master("local[1]").config(map=settings).getOrCreate().stop()
"""
    # The caller's own submit options may hold jars and listeners that this JVM has no use for.
    environ = {name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines() or ["no message"]
    return next((line.strip() for line in said if "unresolved dependency" in line), said[-1])


def _keep(fetched: Path, folder: Path) -> None:
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
    aside.rename(folder)  # over an empty one, too
