"""Class data archive: the classes of Spark and Delta as a JVM has them once they are loaded and verified.

https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html, "Application Class Data Sharing". A JVM that maps an
archive has less to do when it starts. Set-up makes one, and the JVM of a session's driver uses it. It holds for the
Java and the class path that it was made with. Where it does not hold, jobs run as they would without it.
"""

import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf.common.plain_paths import plain_folder
from textclf.common.spark_settings import spark_home
from textclf.errors import TextclfError
from textclf.spark.companion import companion_jars
from textclf.spark.jars import delta_jars

CLASS_PATH = "spark.driver.extraClassPath"
OPTIONS = "spark.driver.extraJavaOptions"
DEFAULT_OPTIONS = "spark.driver.defaultJavaOptions"
"""Setting whose options Spark puts before those of ``spark.driver.extraJavaOptions``: of two, Java takes the later."""
CHAIN = "textclf.examples.short_chain"
"""Module that is run when an archive is made, because it loads the classes that jobs load."""

_ENVIRONMENT = ("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")
_OWN_ARCHIVE = re.compile(
    r"-Xshare:|-XX:(SharedArchiveFile|ArchiveClassesAtExit)=|-XX:[+-](UseShared|AutoCreateShared)"
)
_FLAG = re.compile(r"-XX:[+-]?(\w+)")
_COLLECTOR = re.compile(r"-XX:\+Use\w+GC\b")
_QUIET = "-Xlog:cds*=off"  # otherwise a JVM warns if it cannot use the archive
_LONGEST = 1800.0  # seconds


class ClassArchiveError(TextclfError):
    """No class data archive can be made."""


@dataclass(frozen=True)
class ClassArchive:
    """The archive of a driver's JVM.

    Attributes:
        path: Path of the archive; None if none can be used.
        why_not: Reason why none can be used; empty with an archive.
        fix: What to do about it; empty if the reason is the user's own choice.
    """

    path: Path | None
    why_not: str = ""
    fix: str = ""


def find_archive(java: Path, settings: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> ClassArchive:
    """Find the archive for the driver's JVM of a session.

    Args:
        java: Home of its Java.
        settings: Spark's settings that the user has given.
        environ: Environment of the JVM.
    """
    if given := next((name for name in (CLASS_PATH, DEFAULT_OPTIONS) if settings.get(name)), None):
        return ClassArchive(None, f"{given} is set")
    if not _our_delta(settings):
        return ClassArchive(None, "the session has other jars of Delta than the environment")
    folder = Path(environ.get("SPARK_CONF_DIR") or spark_home(environ) / "conf")
    if folder.exists():
        return ClassArchive(None, f"the class path has a folder with settings, {folder}")
    if option := next(filter(_OWN_ARCHIVE.match, _options(settings, environ)), None):
        return ClassArchive(None, f"the options for Java have {option}")
    path = _existing(java)
    if path is None:
        why = f"there is none in {archive_folder()} for this Java and these jars"
        return ClassArchive(None, why, "run python -m textclf.spark.launch.provision, as a user who may write there")
    return ClassArchive(path)


def driver_settings(
    java: Path, settings: Mapping[str, str], defaults: str, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the settings with which the JVM of a session's driver starts fast.

    Args:
        java: Home of its Java.
        settings: Spark's settings that the user has given; they stay as they are.
        defaults: Options for Java that are added unless the user has given others of that kind.
        environ: Environment of the JVM.

    Returns:
        Settings to add; none of them is among the user's.
    """
    given = list(_options(settings, environ))
    added = [] if DEFAULT_OPTIONS in settings else _besides(given, defaults.split())
    archive, path = find_archive(java, settings, environ), {}
    if archive.path is not None:
        # Java takes a blank in quotes, and Spark removes the quotes.
        added += [f'"-XX:SharedArchiveFile={archive.path}"', _QUIET]
        path = {CLASS_PATH: _class_path()} if _class_path() else {}
    return path | ({DEFAULT_OPTIONS: " ".join(added)} if added else {})


def archive_folder() -> Path:
    """Return the folder of the archives, which is in the Python environment."""
    return Path(sys.prefix) / "share" / "textclf"


def make_archive(java: Path) -> Path:
    """Return the archive for a Java and the jars; it is made if there is none, which takes a minute or two.

    Args:
        java: Home of the Java.

    Raises:
        ClassArchiveError: It cannot be made.
    """
    found = find_archive(java, {}, _without_options())
    if found.path is not None:
        return found.path
    if not found.fix:
        raise _not_made(found.why_not)
    try:
        archive_folder().mkdir(parents=True, exist_ok=True)
        folder = plain_folder(archive_folder())
        with tempfile.TemporaryDirectory(dir=folder, prefix=".classes-") as scratch:
            made = _run_chain(java, Path(scratch))
            for old in folder.glob(f"classes-{_place(java)}-*.jsa"):  # a JVM that has mapped it keeps it
                old.unlink(missing_ok=True)
            # The size is in the name, because Java aborts on an archive that was cut short.
            return made.replace(folder / f"classes-{_place(java)}-{_state(java)}-{made.stat().st_size}.jsa")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_made(error) from error


def _run_chain(java: Path, scratch: Path) -> Path:
    made = scratch / "made.jsa"
    options = f'{DEFAULT_OPTIONS}="-XX:ArchiveClassesAtExit={made}" {_QUIET}'
    words = ["--master", "local[2]", "--conf", options]
    words += ["--driver-class-path", _class_path()] if _class_path() else []
    environ = _without_options() | {"PYSPARK_SUBMIT_ARGS": shlex.join([*words, "pyspark-shell"])}
    environ |= {"JAVA_HOME": str(java), "SPARK_LOCAL_IP": "127.0.0.1"}
    root = Path(__file__).parents[3]
    if not root.name.endswith("-packages"):
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", CHAIN, str(scratch / "sample")]
    done = subprocess.run(
        command,
        env=environ,
        cwd=scratch,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=_LONGEST,
    )
    if done.returncode or not made.exists():
        said = (scratch / "log").read_text(encoding="utf-8", errors="replace").strip()[-500:]
        raise _not_made(f"exit code {done.returncode} of the run, which ends with: {said}")
    return made


def _without_options() -> dict[str, str]:
    """This process's environment without what might keep Java from writing an archive, or from using it."""
    return {name: value for name, value in os.environ.items() if name not in (*_ENVIRONMENT, "SPARK_CONF_DIR")}


def _not_made(received: object) -> ClassArchiveError:
    return ClassArchiveError(
        "The class data archive cannot be made; jobs run without it, and start more slowly.",
        received=received,
        expected=f"a run of {CHAIN} whose JVM writes into {archive_folder()}",
    )


def _options(settings: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the options for Java that the user has given in any place."""
    for given in (*(environ.get(name, "") for name in _ENVIRONMENT), settings.get(OPTIONS, "")):
        yield from given.replace('"', " ").split()
    yield from settings.get(DEFAULT_OPTIONS, "").split()


def _besides(given: list[str], defaults: list[str]) -> list[str]:
    """Return our options without those that the user has set: two collectors, for example, end a JVM."""
    named = {match[1] for option in given if (match := _FLAG.match(option))}
    collected = any(map(_COLLECTOR.match, given))
    return [
        option
        for option in defaults
        if not (collected and _COLLECTOR.match(option)) and (_FLAG.match(option) or [option, option])[1] not in named
    ]


def _our_delta(settings: Mapping[str, str]) -> bool:
    """Whether a session has Delta from the environment, or from Spark's own folder."""
    ours = {name for jar in delta_jars() for name in (str(jar), jar.as_uri())}
    given = [*settings.get("spark.jars", "").split(","), *settings.get("spark.jars.packages", "").split(",")]
    return all(name.strip() in ours for name in given if "delta-" in name)


def _class_path() -> str:
    """The jars that come before Spark's own on the class path of the driver."""
    own, jars = any(spark_home().glob("jars/delta-spark*.jar")), delta_jars()
    return "" if own or not jars else os.pathsep.join(map(str, [*jars, *companion_jars()]))


def _existing(java: Path) -> Path | None:
    if not archive_folder().is_dir():
        return None
    found = plain_folder(archive_folder()).glob(f"classes-{_place(java)}-{_state(java)}-*.jsa")
    return next((path for path in found if path.stem.endswith(f"-{path.stat().st_size}")), None)


def _place(java: Path) -> str:
    """A digest of the folders; of the archives for the same folders only the newest is kept."""
    return _digest([str(java), str(spark_home()), *(str(jar.parent) for jar in delta_jars()[:1])])


def _state(java: Path) -> str:
    """A digest of Java and of the class path: Java compares names, sizes and times in their order."""
    jars = [Path(name) for name in filter(None, _class_path().split(os.pathsep))]
    with os.scandir(spark_home() / "jars") as listed:  # in the order in which Java, too, lists the folder
        jars += [Path(entry.path) for entry in listed if entry.name.lower().endswith(".jar")]
    files = [java / "release", java / "lib" / "modules", java / "lib" / "server" / "libjvm.so", *jars]
    return _digest([(str(file), *_size_and_time(file)) for file in files])


def _size_and_time(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:  # not every Java has each of its files
        return (0, 0)
    return found.st_size, found.st_mtime_ns


def _digest(value: list[Any]) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogateescape")).hexdigest()[:12]
