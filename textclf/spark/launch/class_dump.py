"""Make the class data archive: ``python -m textclf.spark.launch.class_dump``, which a job starts as it ends.

Java dumps the classes that ``classes.txt.gz`` names, without running Spark. The list is of all jobs, recorded by
``-XX:DumpLoadedClassList``. The process has the lowest priority, and nothing waits for it.
"""

import atexit
import fcntl
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from textclf.common.atomic_files import replace_file
from textclf.common.spark_settings import spark_home
from textclf.errors import TextclfError
from textclf.spark.java import java_home, java_version
from textclf.spark.launch.class_archive import (
    DEFAULT_OPTIONS,
    ENVIRONMENT,
    FOLDER,
    ITSELF,
    START_DRIVER,
    archive_name,
    class_path,
    failed_mark,
    find_archive,
    is_older,
    writable_folder,
)

LIST = Path(__file__).with_name("classes.txt.gz")
"""Names of the classes, one a line, in the form of ``-XX:SharedClassListFile``."""

_LOCK = ".lock"
_ASIDE = ".making-"
_FREE = 1 << 30  # bytes that a disk must have left before an archive is made
_LONGEST = 3600.0  # seconds, on a machine that is busy with other work
# What may put folders on the class path or keep Java from writing an archive.
_LEFT_OUT = (*ENVIRONMENT, "SPARK_CONF_DIR", "HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_DIST_CLASSPATH")


class ClassArchiveError(TextclfError):
    """The class data archive cannot be made."""


def make_at_exit(java: Path) -> None:
    """Start a process that makes the archive when this one ends.

    Args:
        java: Home of the Java.
    """
    if writable_folder() is not None:
        atexit.register(_start, java, os.getpid())


def _start(java: Path, pid: int) -> None:
    if os.getpid() != pid:  # a process that was forked from the one that asked
        return
    root = Path(__file__).parents[3]
    environ = os.environ | {"JAVA_HOME": str(java)}
    if not root.name.endswith("-packages"):
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), environ.get("PYTHONPATH")]))
    with suppress(OSError):  # nothing needs an archive
        subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            env=environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def make_archive(java: Path) -> Path:
    """Return the archive for a Java and the jars; it is made if there is none.

    Args:
        java: Home of the Java.

    Raises:
        ClassArchiveError: It cannot be made, or another process is making it.
    """
    environ = _without_options()
    found = find_archive(java, {}, environ)
    if found.path is not None:
        return found.path
    folder = writable_folder()
    if not found.missing or folder is None:
        raise _not_made(found.why_not if folder is not None else "no folder that this user can write to")
    try:
        with (folder / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return find_archive(java, {}, environ).path or _make(java, folder)
    except BlockingIOError as error:
        raise _not_made("another process that makes it") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_made(error) from error


def _make(java: Path, folder: Path) -> Path:
    """Make the archive under another name, try it, and rename it. Only one process does so at a time."""
    for left in folder.glob(f"{_ASIDE}*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(folder).free < _FREE:
        raise _not_made(f"{shutil.disk_usage(folder).free >> 20} MiB free in {folder}")
    with tempfile.TemporaryDirectory(dir=folder, prefix=_ASIDE) as scratch:
        made, names = Path(scratch, "made.jsa"), Path(scratch, "classes.txt")
        names.write_bytes(gzip.decompress(LIST.read_bytes()))
        try:
            _run(java, Path(scratch), f"-Xshare:dump -XX:SharedClassListFile={names} -XX:SharedArchiveFile={made}")
            _run(java, Path(scratch), f"-Xshare:on -XX:SharedArchiveFile={made}")
        except ClassArchiveError as error:
            replace_file(failed_mark(folder, java), f"{error}\n")
            raise
        target = made.replace(folder / archive_name(java, made.stat().st_size))
    # Two checkouts with jars of their own may share an environment, so the newest of the others stays.
    others = sorted(filter(lambda path: is_older(path, java), folder.glob("classes-*.jsa")), key=_time)
    for old in others[:-1]:
        old.unlink(missing_ok=True)  # a JVM that has mapped it keeps it
    return target


def _time(path: Path) -> float:
    return path.stat().st_mtime


def _run(java: Path, scratch: Path, options: str) -> None:
    """Start a driver's JVM with these options, which ends before it runs Spark."""
    log = scratch / "log"
    # As drivers are started: with other modules Java would not map the archive as a whole.
    words = [str(START_DRIVER), "--master", "local", "--driver-memory", "1g"]
    words += ["--conf", f"{DEFAULT_OPTIONS}={options}"]
    words += ["--driver-class-path", class_path()] if class_path() else []
    environ = _without_options() | {"JAVA_HOME": str(java), "SPARK_HOME": str(spark_home())}
    with log.open("wb") as said:
        done = subprocess.run(
            [*words, "--version"], env=environ, cwd=scratch, stdout=said, stderr=said, check=False, timeout=_LONGEST
        )
    if done.returncode:
        ends = log.read_text(encoding="utf-8", errors="replace").strip()[-500:]
        raise _not_made(f"exit code {done.returncode} of Java with {options}, which says: {ends}")


def _without_options() -> dict[str, str]:
    """This process's environment without what might keep Java from writing an archive, or from using it."""
    return {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}


def _not_made(received: object) -> ClassArchiveError:
    return ClassArchiveError(
        "The class data archive cannot be made; jobs run without it, and start more slowly.",
        received=received,
        expected="a Java that archives classes, and a folder for some 300 MB in the environment or in the user's cache",
        fix=f"set {FOLDER} to another folder, or to off",
    )


def main() -> int:
    """Make the archive with the lowest priority. Returns the exit code: 0 if there is one."""
    os.nice(19)
    try:
        java = java_home()
        if java_version(java) < ITSELF:
            make_archive(java)
    except TextclfError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
