"""The companion of this package in the JVM: a few classes of Java, compiled by set-up and kept beside Delta's jars.

It holds what has to run in the JVM: a log of Delta's that is safe for several drivers on S3 and on local disks, and the
sink that stores workers' files where tables are. Without it tables on a local disk work, on other storage they do not.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.common.atomic_files import made_aside
from textclf.common.plain_paths import plain_folder
from textclf.common.spark_settings import spark_home
from textclf.errors import TextclfError
from textclf.spark.jars import COMPANION, DELTA_COORDINATES, SPARK_VERSION, jar_folder, resolve_into
from textclf.spark.java import MINIMUM, java_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG_STORE = "textclf.CreateOnceLogStore"
SCHEMES = ("s3a", "s3", "s3n", "file")
"""Schemes whose commits the companion's log store writes; Delta's own classes are safe on the others."""
PROVISION = "run `make setup`, or `python -m textclf.spark.launch.provision`"
"""What to do where the companion is missing."""
_COMPILER = "org.eclipse.jdt:ecj:3.42.0"  # for a Java without javac; Eclipse Public License 2.0
_COMPILER_SHA256 = {"ecj-3.42.0.jar": "29f6d3918ee02db4400c103bc25dd90a22491c3a395867d9393070cb96a7dd29"}


class CompanionError(TextclfError):
    """The companion cannot be compiled."""


def sources() -> list[Path]:
    """Return the Java sources: of the checkout, or those that the package was installed with."""
    package = Path(__file__).parents[1]
    return sorted((package.parent / "jvm").rglob("*.java")) or sorted((package / "jvm").rglob("*.java"))


def jar_name() -> str:
    """Return the name of the jar that belongs to these sources and to what they are compiled against."""
    digest = hashlib.sha256(f"{SPARK_VERSION} {DELTA_COORDINATES} {MINIMUM}".encode())
    for path in sources():
        digest.update(path.read_bytes())
    return f"{COMPANION}{digest.hexdigest()[:16]}.jar"


def companion_jars() -> list[Path]:
    """Return the compiled jar as a list, by a path that Spark's options can take; empty if it has not been compiled."""
    folder, name = jar_folder(), jar_name()
    return [plain_folder(folder) / name] if (folder / name).exists() else []


def log_stores(jars: str) -> dict[str, str]:
    """Return Spark's settings of the log store for a session with these jars; none if the companion is not among them.

    Args:
        jars: Value of ``spark.jars``.
    """
    return {f"spark.delta.logStore.{scheme}.impl": LOG_STORE for scheme in SCHEMES} if COMPANION in jars else {}


def lacks_companion(spark: "SparkSession") -> bool:
    """Whether the JVM of a session does not have the companion's classes.

    Args:
        spark: An open session.
    """
    from py4j.java_gateway import JavaPackage

    jvm: Any = spark._jvm
    return isinstance(jvm.textclf.FileSink, JavaPackage)


def compile_companion() -> Path:
    """Compile the sources beside Delta's jars, unless that has been done.

    Jars of other sources stay: a running job or another release of this package may use them.

    Raises:
        CompanionError: There is no compiler, or the sources do not fit the Spark and Delta that are installed.
        OSError: The folder of the jars cannot be written.
    """
    folder = jar_folder()
    target = folder / jar_name()
    if not target.exists():
        with tempfile.TemporaryDirectory() as scratch:
            compile_java(sources(), Path(scratch))
            with made_aside(target) as aside:
                _archive(Path(scratch), aside)
    return target


def compile_java(files: Sequence[Path], classes: Path) -> None:
    """Compile Java sources against Spark's and Delta's jars.

    Args:
        files: Sources.
        classes: Folder for the classes.

    Raises:
        CompanionError: There is no compiler, or the sources do not fit the Spark and Delta that are installed.
        JarsError: There is no compiler, and none can be fetched.
    """
    class_path = os.pathsep.join(str(jar) for folder in (spark_home() / "jars", jar_folder()) for jar in _in(folder))
    words = ["-classpath", class_path, "-d", str(classes), *map(str, files)]
    with tempfile.NamedTemporaryFile("w", suffix=".args") as arguments:  # a command line may be too short for them
        arguments.writelines('"{}"\n'.format(word.replace("\\", "\\\\")) for word in words)
        arguments.flush()
        command = [*_compiler(), f"@{arguments.name}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompanionError(
            "The package's Java classes cannot be compiled.",
            received=(done.stderr or done.stdout).strip()[:1000],
            expected=f"Spark {SPARK_VERSION} and {DELTA_COORDINATES}",
            fix="run `make setup` again with the pinned versions; until then tables work on a local disk only",
        )


def _in(folder: Path) -> list[Path]:
    return sorted(jar for jar in folder.glob("*.jar") if not jar.name.startswith(COMPANION))


def _compiler() -> list[str]:
    """Return the command of a compiler: the JDK's, or Eclipse's where there is only a runtime."""
    home = java_home()
    if (home / "bin" / "javac").exists():
        return [str(home / "bin" / "javac"), "-nowarn", "-proc:none", "--release", str(MINIMUM)]
    # Not --release, which needs a file that only a JDK has.
    return [str(home / "bin" / "java"), "-jar", str(eclipse_compiler()), "-nowarn", "-proc:none", f"-{MINIMUM}"]


def eclipse_compiler() -> Path:
    """Return the jar of Eclipse's compiler, which is fetched once.

    Raises:
        JarsError: The jar cannot be fetched.
    """
    fix = "check the network, or install a JDK: for example sudo apt-get install openjdk-17-jdk-headless"
    folder = Path(sys.prefix) / "share" / "textclf" / "compiler"
    return resolve_into(folder, _COMPILER, "The Java compiler cannot be fetched.", fix, digests=_COMPILER_SHA256)[0]


def _archive(classes: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(classes.rglob("*.class")):
            archive.write(path, path.relative_to(classes))
