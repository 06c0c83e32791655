"""What executors need, as files: the project as a zip, the Python environment as an archive."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textclf.common.atomic_files import made_aside, user_folder
from textclf.common.plain_paths import plain_folder
from textclf.errors import TextclfError

_LOCK = ".lock"
ENVIRONMENT = "environment"  # the folder that executors find the archive unpacked in
# Executors bring a Spark of their own; an editable install points at folders that only this machine has.
_LEFT_OUT = (
    "*/site-packages/pyspark/jars/*",
    "*/site-packages/pyspark/examples/*",
    "share/textclf/*",
    "*/site-packages/*editable*",
)


def project_zip(root: Path) -> Path:
    """The ``textclf`` package as a zip, made where its sources have no zip yet.

    The name holds a digest of the sources, so that a running job keeps the zip it was started with.
    """
    sources = {
        path.relative_to(root): path.read_bytes() for path in sorted((root / "textclf").rglob("*")) if _packed(path)
    }
    digest = hashlib.sha256()
    for name, content in sources.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    target = _made(root, f"textclf-{digest.hexdigest()[:16]}.zip")
    with _made_once(target) as aside:
        if aside is not None:
            with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in sources.items():
                    archive.writestr(str(name), content)
    return target


def environment_archive(root: Path) -> Path:
    """Where the environment's archive is, or will be: one for each lock and Python."""
    lock = root / "requirements.lock"
    digest = hashlib.sha256(lock.read_bytes() if lock.exists() else b"")
    digest.update(f"{sys.prefix} {sys.version}".encode())
    return _made(root, f"{ENVIRONMENT}-{digest.hexdigest()[:16]}.tar.gz")


def pack_environment(target: Path) -> None:
    """Pack the running Python's environment into ``target``, where it is not there yet.

    Nodes need the same Python at the same place: an environment refers to it and does not hold it.

    Raises:
        TextclfError: The environment cannot be packed.
    """
    with _made_once(target) as aside:
        if aside is None:
            return
        sys.stderr.write(f"Packing the Python environment into {target}; once for each lock, some minutes\n")
        command = [sys.executable, "-m", "venv_pack", "--quiet", "--prefix", sys.prefix, "--force"]
        command += ["--format", "tar.gz", "--compress-level", "1", "--output", str(aside)]
        for pattern in _LEFT_OUT:
            command += ["--exclude", pattern]
        done = subprocess.run(command, stdout=sys.stderr, check=False)
        if done.returncode:
            raise TextclfError(
                "The Python environment cannot be packed for the cluster.",
                received=f"{sys.prefix}, where venv-pack ended with {done.returncode}",
                expected="a virtual environment with venv-pack installed, as `make setup` leaves",
                fix="or say which Python the executors have: --conf spark.pyspark.python=/path/to/python",
            )


def _made(root: Path, name: str) -> Path:
    """Where a made file of the project is, or goes: in its ``build/``, else in a folder of the user's own.

    A service may run from a checkout that belongs to another user, and read what that one has made.

    Raises:
        TextclfError: There is no folder to write to.
    """
    build = root / "build"
    if (build / name).exists():
        return plain_folder(build) / name
    try:
        build.mkdir(mode=0o755, parents=True, exist_ok=True)  # executors run what is in it
        (build / _LOCK).open("a").close()
    except OSError as error:
        folder = user_folder("build")
        if folder is None:
            raise TextclfError(
                "There is no place for the files that executors need.",
                received=error,
                expected=f"a folder that user {os.geteuid()} can write to: {build}, $XDG_CACHE_HOME/textclf, "
                f"~/.cache/textclf or {tempfile.gettempdir()}/textclf-{os.geteuid()}",
                fix="make one of them writable, or set XDG_CACHE_HOME",
            ) from error
        return plain_folder(folder) / name
    return plain_folder(build) / name


def _packed(path: Path) -> bool:
    return path.is_file() and (path.suffix in (".py", ".html") or path.name == "py.typed")


@contextmanager
def _made_once(target: Path) -> Iterator[Path | None]:
    """A path to fill aside, renamed to ``target`` afterwards; None where ``target`` is there already."""
    if target.exists():
        yield None
        return
    with (target.parent / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two jobs submitted at once make one archive
        if target.exists():
            yield None
            return
        with made_aside(target) as aside:
            yield aside
