"""The bundle for executors: the project as a zip and the Python environment as an archive."""

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
ENVIRONMENT = "environment"  # the folder into which executors unpack the archive
# Executors have a Spark of their own; an editable install points at folders that only this machine has.
_LEFT_OUT = (
    "*/site-packages/pyspark/jars/*",
    "*/site-packages/pyspark/examples/*",
    "share/textclf/*",
    "*/site-packages/*editable*",
)


def project_zip(root: Path) -> Path:
    """Return the ``textclf`` package as a zip, which is created unless there is one of the same sources.

    The name contains a digest of the sources, so that a running job keeps the zip it was started with.
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
    """Return the path of the environment's archive, which may not exist yet; each lock file and Python has its own."""
    lock = root / "requirements.lock"
    digest = hashlib.sha256(lock.read_bytes() if lock.exists() else b"")
    digest.update(f"{sys.prefix} {sys.version}".encode())
    return _made(root, f"{ENVIRONMENT}-{digest.hexdigest()[:16]}.tar.gz")


def pack_environment(target: Path) -> None:
    """Pack the running Python's environment into ``target`` unless it exists.

    Nodes need the same Python at the same path, because an environment refers to it and does not contain it.

    Raises:
        TextclfError: The environment cannot be packed.
    """
    with _made_once(target) as aside:
        if aside is None:
            return
        sys.stderr.write(
            f"Packing the Python environment into {target}; this takes some minutes, once for each requirements.lock\n"
        )
        command = [sys.executable, "-m", "venv_pack", "--quiet", "--prefix", sys.prefix, "--force"]
        command += ["--format", "tar.gz", "--compress-level", "1", "--output", str(aside)]
        for pattern in _LEFT_OUT:
            command += ["--exclude", pattern]
        done = subprocess.run(command, stdout=sys.stderr, check=False)
        if done.returncode:
            raise TextclfError(
                "The Python environment cannot be packed for the cluster.",
                received=f"{sys.prefix}, where venv-pack ended with {done.returncode}",
                expected="a virtual environment with venv-pack installed, as `make setup` creates it",
                fix="run `make setup`, or name the executors' Python: --conf spark.pyspark.python=/path/to/python",
            )


def _made(root: Path, name: str) -> Path:
    """Return the path of a generated file of the project: in its ``build/``, or else in a folder of the user's own.

    A service may run from a checkout that belongs to another user, and can read what that user has generated.

    Raises:
        TextclfError: There is no folder to write to.
    """
    build = root / "build"
    if (build / name).exists():
        return plain_folder(build) / name
    try:
        build.mkdir(mode=0o755, parents=True, exist_ok=True)  # executors run its content
        (build / _LOCK).open("a").close()
    except OSError as error:
        folder = user_folder("build")
        if folder is None:
            raise TextclfError(
                "There is no folder for the files that executors need.",
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
    """Yield a temporary path that is renamed to ``target`` on exit, or None if ``target`` exists already."""
    if target.exists():
        yield None
        return
    with (target.parent / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two jobs that are submitted at once make only one archive
        if target.exists():
            yield None
            return
        with made_aside(target) as aside:
            yield aside
