"""Class data archive: the classes of Spark and Delta as a JVM has them once they are loaded and verified.

https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html, "Application Class Data Sharing". A JVM that maps an
archive has less to do when it starts. An archive holds for the Java and the class path that it was made with; where it
does not hold, jobs run as they would without it. ``class_dump`` makes it; from Java 19 on the JVM does so itself.
"""

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf.common.atomic_files import user_folder
from textclf.common.plain_paths import is_plain
from textclf.common.spark_settings import spark_home
from textclf.spark.companion import companion_jars
from textclf.spark.jars import delta_jars
from textclf.spark.java import java_version

FOLDER = "TEXTCLF_CLASS_ARCHIVES"
"""Environment variable: folder of the archives; ``off`` for none."""
CLASS_PATH = "spark.driver.extraClassPath"
OPTIONS = "spark.driver.extraJavaOptions"
DEFAULT_OPTIONS = "spark.driver.defaultJavaOptions"
"""Setting whose options Spark puts before those of ``spark.driver.extraJavaOptions``: of two, Java takes the later."""
ENVIRONMENT = ("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")
"""Variables from which a driver's JVM takes options."""
QUIET = "-Xlog:cds*=off"  # otherwise a JVM warns if it cannot use the archive
START_DRIVER = Path(__file__).with_name("start_driver.sh")
"""Starts a driver's JVM, in place of Spark's ``bin/spark-submit``."""
ITSELF = 19
"""First Java that makes and renews an archive by itself."""

_OWN_ARCHIVE = re.compile(
    r"-Xshare:|-XX:(SharedArchiveFile|ArchiveClassesAtExit|SharedClassListFile|DumpLoadedClassList)="
    r"|-XX:[+-](UseShared|AutoCreateShared|RecordDynamicDump)"
)
_ELSEWHERE = re.compile(r"@|-XX:(Flags|VMOptionsFile)=")
_FLAG = re.compile(r"-XX:[+-]?(\w+)")
_COLLECTOR = re.compile(r"-XX:\+Use\w+GC\b")


@dataclass(frozen=True)
class ClassArchive:
    """The archive of a driver's JVM.

    Attributes:
        path: Path of the archive; None if none can be used.
        why_not: Reason why none can be used; empty with an archive.
        missing: Whether the reason is only that it has not been made yet.
    """

    path: Path | None
    why_not: str = ""
    missing: bool = False


def find_archive(java: Path, settings: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> ClassArchive:
    """Find the archive for the driver's JVM of a session.

    Args:
        java: Home of its Java.
        settings: Spark's settings that the user has given.
        environ: Environment of the JVM.
    """
    if reason := _reason_for_jars(settings) or _reason(settings, environ):
        return ClassArchive(None, reason)
    if java_version(java) >= ITSELF:
        folder = writable_folder(environ)
        place = None if folder is None else folder / f"java-{_place(java)}.jsa"
        return ClassArchive(place, "" if place else "there is no folder that this user can write to")
    found = next((path for folder in _folders(environ) for path in _existing(folder, java)), None)
    if found is not None:
        return ClassArchive(found)
    if failed := next((mark for folder in _folders(environ) if (mark := failed_mark(folder, java)).exists()), None):
        said = failed.read_text(encoding="utf-8", errors="replace").strip()
        return ClassArchive(None, f"it could not be made; remove {failed} to try again. {said}")
    return ClassArchive(None, "it has not been made yet for this Java and these jars", missing=True)


def _reason(settings: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Return why no archive could hold for a JVM; empty if one could."""
    if environ.get(FOLDER) == "off":
        return f"{FOLDER}=off"
    if settings.get(DEFAULT_OPTIONS):
        return f"{DEFAULT_OPTIONS} is set"
    folder = Path(environ.get("SPARK_CONF_DIR") or spark_home(environ) / "conf")
    if folder.exists():
        return f"the class path has a folder with settings, {folder}"
    own = next((name for name in ("SPARK_PREPEND_CLASSES", "SPARK_TESTING") if environ.get(name)), None)
    if own is not None:
        return f"{own} changes the class path"
    option = next((each for each in _options(settings, environ) if _OWN_ARCHIVE.match(each)), None)
    return f"the options for Java have {option}" if option else ""


def driver_settings(
    archive: ClassArchive,
    java: Path,
    settings: Mapping[str, str],
    defaults: str = "",
    environ: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """Return the options with which the JVM of a session's driver starts fast.

    Args:
        archive: Archive of the session.
        java: Home of its Java.
        settings: Spark's settings that the user has given; they stay as they are.
        defaults: Options for Java that are added unless the user has given others of that kind.
        environ: Environment of the JVM.

    Returns:
        Settings to add; none of them is among the user's.
    """
    added = [] if DEFAULT_OPTIONS in settings else _besides(list(_options(settings, environ)), defaults.split())
    if archive.path is not None:
        # Java takes a blank in quotes, and Spark removes the quotes.
        added += [f'"-XX:SharedArchiveFile={archive.path}"', QUIET]
        added += ["-XX:+AutoCreateSharedArchive"] if java_version(java) >= ITSELF else []
    return {DEFAULT_OPTIONS: " ".join(added)} if added else {}


def on_class_path(settings: Mapping[str, str]) -> str:
    """Return the jars that a session's driver gets on its class path, rather than by ``spark.jars``; maybe none.

    Java archives the classes of its class path alone; those of ``spark.jars`` have a loader of Spark's.

    Args:
        settings: Spark's settings that the user has given.
    """
    return "" if _reason_for_jars(settings) else class_path()


def _reason_for_jars(settings: Mapping[str, str]) -> str:
    """Return why Delta's jars of the environment cannot be on the class path as the archive needs them there."""
    if settings.get(CLASS_PATH):
        return f"{CLASS_PATH} is set"
    return "" if _our_delta(settings) else "the session has other jars of Delta than the environment"


def class_path() -> str:
    """Return the jars that come before Spark's own on the class path of a driver with an archive; there may be none."""
    own, jars = any(spark_home().glob("jars/delta-spark*.jar")), delta_jars()
    return "" if own or not jars else os.pathsep.join(map(str, [*jars, *companion_jars()]))


def writable_folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder for a new archive, which is created if necessary; None if there is no place for one."""
    return next((folder for folder in _folders(environ) if os.access(folder, os.W_OK | os.X_OK)), None)


def archive_name(java: Path, size: int) -> str:
    """Return the name of an archive. Its size is in it, because Java 17 aborts on one that was cut short."""
    return f"classes-{_place(java)}-{_state(java)}-{size}.jsa"


def is_older(path: Path, java: Path) -> bool:
    """Whether an archive is of the same Java and Spark, at the same places, but of an earlier state of them."""
    return path.name.startswith(f"classes-{_place(java)}-") and f"-{_state(java)}-" not in path.name


def failed_mark(folder: Path, java: Path) -> Path:
    """Return the file that says why the archive could not be made, so that it is not tried with each job."""
    return folder / f"failed-{_place(java)}-{_state(java)}.txt"


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders of archives that exist or can be created: in the environment, and in the user's cache.

    What is in an archive is run, as is what is in the environment.
    """
    given = environ.get(FOLDER)
    shared = Path(given) if given else Path(sys.prefix) / "share" / "textclf" / "classes"
    with suppress(OSError):
        shared.mkdir(mode=0o755, parents=True, exist_ok=True)
    if shared.is_dir() and is_plain(shared):
        yield shared
    own = None if given else user_folder("classes")
    if own is not None and is_plain(own):
        yield own


def _options(settings: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the options for Java that the user has given in any place."""
    for given in (*(environ.get(name, "") for name in ENVIRONMENT), settings.get(OPTIONS, "")):
        yield from given.replace('"', " ").split()
    yield from settings.get(DEFAULT_OPTIONS, "").split()


def _besides(given: list[str], defaults: list[str]) -> list[str]:
    """Return our options without those that the user has set: two collectors, for example, end a JVM."""
    if any(map(_ELSEWHERE.match, given)):  # files of options
        return []
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
    there = bool(ours) or any(spark_home().glob("jars/delta-spark*.jar"))
    return there and all(name.strip() in ours for name in given if "delta-" in name)


def _existing(folder: Path, java: Path) -> Iterator[Path]:
    for path in folder.glob(f"classes-{_place(java)}-{_state(java)}-*.jsa"):
        if path.stem.endswith(f"-{path.stat().st_size}"):
            yield path


def _place(java: Path) -> str:
    """A digest of the folders; of the archives for the same folders only the newest is kept."""
    return _digest([str(java), str(spark_home()), *(str(jar.parent) for jar in delta_jars()[:1])])


def _state(java: Path) -> str:
    """A digest of Java and of the class path: Java compares names, sizes and times in their order."""
    jars = [Path(name) for name in filter(None, class_path().split(os.pathsep))]
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
