"""Delta's jars: fetched once into the environment, and found there without a network afterwards."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from textclf.common.atomic_files import made_aside
from textclf.common.plain_paths import plain_folder
from textclf.common.spark_settings import spark_home
from textclf.errors import TextclfError
from textclf.spark.java import java_home

SPARK_VERSION = "4.2.0"
DELTA_COORDINATES = "io.delta:delta-spark_4.2_2.13:4.4.0"
DELTA_CONF = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
COMPANION = "textclf-jvm-"
"""Beginning of the name of this package's own jar; see ``textclf.spark.companion``."""

# What Delta's dependencies need beside jars of Spark's, with which they would be fetched.
_BESIDE = (
    "commons-logging:commons-logging:1.3.0",
    "javax.annotation:javax.annotation-api:1.3.2",
    "org.roaringbitmap:shims:0.9.25",
)
_SHORT = "-XX:TieredStopAtLevel=1"  # the second compiler does not pay off in a JVM of seconds
# Digests of all jars that setup may keep. Resolvers look into ~/.m2 before they ask a repository, and a repository's
# own checksums come from the same place as the jar, so neither can vouch for a jar.
SHA256 = {
    "commons-logging-1.3.0.jar": "66d3c980470b99b0c511dad3dfc0ae7b265ec1fb144e96bc0253a8a175fd34d9",
    "delta-kernel-api-4.4.0.jar": "ee9b5a14ac3b7efdff4d61a58478fe8eb0e5a3fbca43889dca7290795fe79a11",
    "delta-kernel-defaults-4.4.0.jar": "225c975199e4718b38ee5b7e6da7f19e9585024262b2cec2656b32151a856b0b",
    "delta-kernel-unitycatalog-4.4.0.jar": "cea22dfb4ac562b3cd27bf652697750e8336009d73fb06631363aaaad5345ffa",
    "delta-spark_4.2_2.13-4.4.0.jar": "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
    "delta-storage-4.4.0.jar": "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
    "jackson-datatype-jdk8-2.13.5.jar": "e58761751fea8a00dc626aae1c5f1be38c5cfd487aeb333d933a4ab5f5a73c55",
    "javax.annotation-api-1.3.2.jar": "e04ba5195bcd555dc95650f7cc614d151e4bcd52d29a10b8aa2197f3ab89ab9b",
    "openlineage-spark_2.13-1.53.0.jar": "5d84b0ae7e72909b5aae7ed87df878bf06b28d9ac3005765c3529d0a66dbae6f",
    "shims-0.9.25.jar": "0b82ed6cb1caf0706304b42358d568eb6faf190eadea7f2b2d365cb63156b40d",
    "unitycatalog-client-0.6.0.jar": "48257499a86b801a3e2372cec55ac226ca1c1c7eabe5c118e7302f29a1fdbc19",
    "unitycatalog-hadoop-0.6.0.jar": "c47b63c961c87102b9e1d63809a0915ba4c86b7652f57c8d39ca3a05b441a150",
}


class JarsError(TextclfError):
    """Delta's jars are missing, cannot be fetched or are not the pinned ones."""


def jar_folder() -> Path:
    """Return the folder of the resolved jars: ``TEXTCLF_JARS``, or else a folder inside the Python environment."""
    return Path(os.environ.get("TEXTCLF_JARS") or Path(sys.prefix) / "share" / "textclf" / "jars")


def delta_jars() -> list[Path]:
    """Return the resolved jars, by paths that Spark's options can take; empty before ``resolve_jars``."""
    folder = jar_folder()
    found = plain_folder(folder).glob("*.jar") if any(folder.glob("*.jar")) else ()
    return sorted(jar for jar in found if not jar.name.startswith(COMPANION))


def _artifact(jar: str) -> str:
    """Return a jar's name without its version: ``jackson-core`` for ``jackson-core-2.13.5.jar``."""
    return re.split(r"-\d", jar, maxsplit=1)[0]


def _spark_artifacts() -> set[str]:
    return {_artifact(jar.name) for jar in spark_home().glob("jars/*.jar")}


def resolve_jars() -> list[Path]:
    """Resolve Delta's jars with Spark's own resolver once; later calls do not use the network.

    Raises:
        JarsError: The jars are missing and cannot be fetched.
    """
    fix = "check the network, or put the jars into a folder and set TEXTCLF_JARS to it"
    wanted = ",".join([DELTA_COORDINATES, *_BESIDE])
    return resolve_into(jar_folder(), wanted, "Delta's jars cannot be fetched.", fix)


def resolve_into(
    folder: Path, coordinates: str, problem: str, fix: str, digests: Mapping[str, str] = SHA256, excludes: str = ""
) -> list[Path]:
    """Return the jars in a folder; if it has none yet, fetch those of the coordinates into it.

    Args:
        folder: Folder of the jars.
        coordinates: Maven coordinates of the jars, with commas between them.
        problem: Problem that the error states if they cannot be fetched.
        fix: Fix that the error suggests if they cannot be fetched.
        digests: SHA-256 of each jar that may be kept, by its name.
        excludes: Dependencies that are left out, as ``group:artifact``, with commas between them.

    Raises:
        JarsError: The jars are missing and cannot be fetched, or a fetched jar is not the pinned one.
    """
    if not any(folder.glob("*.jar")):
        with tempfile.TemporaryDirectory() as ivy:
            said = _fetch(Path(ivy), coordinates, excludes)
            artifact = coordinates.split(":")[1]
            if not any(Path(ivy).glob(f"jars/*{artifact}*.jar")):
                raise JarsError(problem, received=said, expected=f"{coordinates} from a Maven repository", fix=fix)
            _keep(Path(ivy, "jars"), folder, digests)
    return sorted(plain_folder(folder).glob("*.jar"))


def _fetch(ivy: Path, coordinates: str, excludes: str) -> str:
    """Fetch jars into a folder. Returns the resolver's line about a missing jar, or else its last line."""
    # spark-submit runs the resolver before the program, and a program of no lines is over as it begins.
    program = ivy / "nothing.py"
    program.touch()
    # What Spark brings along is not even fetched: of Delta's dependencies that is six sevenths.
    left_out = [f"*:{name}" for name in sorted(_spark_artifacts())]
    settings = {
        "spark.jars.packages": coordinates,
        "spark.jars.excludes": ",".join(filter(None, [excludes, *left_out])),
        "spark.jars.ivy": str(ivy),
    }
    command = [str(spark_home() / "bin" / "spark-submit"), "--master", "local[1]"]
    command += [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    environ = os.environ | dict.fromkeys(("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"), sys.executable)
    environ |= {"JAVA_HOME": str(java_home())}
    environ["SPARK_SUBMIT_OPTS"] = f"{_SHORT} {environ.get('SPARK_SUBMIT_OPTS', '')}"  # the user's come later and win
    done = subprocess.run([*command, str(program)], env=environ, capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines() or ["no message"]
    return next((line.strip() for line in said if "unresolved dependency" in line), said[-1])


def _keep(fetched: Path, folder: Path, digests: Mapping[str, str]) -> None:
    present = _spark_artifacts()
    # Ivy names a file organisation_artifact-version.jar.
    named = {jar.name.partition("_")[2]: jar for jar in fetched.glob("*.jar")}
    # Libraries that Spark brings along are skipped: Spark is tested with its own versions.
    kept = {name: jar for name, jar in named.items() if _artifact(name) not in present}
    for name, jar in kept.items():
        _check(name, jar, digests)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with made_aside(folder) as aside:  # an interrupted setup leaves no half-filled folder
        aside.mkdir(0o755)  # before the umask is applied
        for name, jar in kept.items():
            shutil.copy(jar, aside / name)


def _check(name: str, jar: Path, digests: Mapping[str, str]) -> None:
    with jar.open("rb") as file:
        received = hashlib.file_digest(file, "sha256").hexdigest()
    if digests.get(name) != received:
        raise JarsError(
            f"The fetched {name} is not the pinned one; no jar was kept.",
            received=f"SHA-256 {received}",
            expected=f"SHA-256 {digests[name]}" if name in digests else f"one of: {', '.join(digests)}",
            fix="check the file of that name in ~/.m2 or in the repository in use; to use jars of your own, put them "
            "into a folder and set TEXTCLF_JARS to it",
        )
