"""The project as a zip for executors, and where generated files of the project are kept."""

import fcntl
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textclf.common.atomic_files import made_aside, user_folder
from textclf.common.plain_paths import plain_folder
from textclf.errors import TextclfError

_LOCK = ".lock"


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
    target = made_path(root, f"textclf-{digest.hexdigest()[:16]}.zip")
    with made_once(target) as aside:
        if aside is not None:
            with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in sources.items():
                    archive.writestr(str(name), content)
    return target


def made_path(root: Path, name: str) -> Path:
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
def made_once(target: Path) -> Iterator[Path | None]:
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
