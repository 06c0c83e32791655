"""Delta's jars: resolved once into the environment, then found there without a network."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

SPARK_VERSION = "4.2.0"
DELTA_COORDINATES = "io.delta:delta-spark_4.2_2.13:4.4.0"
DELTA_CONF = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}


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
    """Resolve Delta's jars with Spark's own resolver, once; later calls touch no network."""
    if not delta_jars():
        from pyspark.sql import SparkSession

        with tempfile.TemporaryDirectory() as ivy:
            spark = (
                SparkSession.builder.master("local[1]")
                .config("spark.jars.packages", DELTA_COORDINATES)
                .config("spark.jars.ivy", ivy)
                .config("spark.ui.enabled", "false")
                .config("spark.sql.warehouse.dir", ivy)
                .getOrCreate()
            )
            spark.stop()
            folder = jar_folder()
            folder.parent.mkdir(parents=True, exist_ok=True)
            # Filled aside and renamed: a set-up that is cut off leaves no half-filled folder.
            aside = Path(tempfile.mkdtemp(dir=folder.parent))
            aside.chmod(0o755)
            present = {_artifact(jar.name) for jar in spark_home().glob("jars/*.jar")}
            for jar in Path(ivy, "jars").glob("*.jar"):
                # Ivy names a file organisation_artifact-version.jar.
                name = jar.name.partition("_")[2]
                if _artifact(name) not in present:  # Spark's own release of a library is the one it is tested with
                    shutil.copy(jar, aside / name)
            aside.rename(folder)
    return delta_jars()
