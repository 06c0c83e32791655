"""Atomic file replacement, optionally with a checksum, and folders that are private to a user."""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

OWN = 0o644
"""Permissions of a file that only its owner may write, before the umask of the process is applied."""
PRIVATE = 0o600
"""Permissions of a file that only its owner may read, such as one that processes of one user share."""

_NAMES = 10  # names that are tried in the folder of temporary files
_DIGEST = hashlib.sha256().digest_size


@contextmanager
def made_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``, and rename what is made under it to ``path`` on exit.

    After an error the new file or folder is removed and ``path`` is unchanged. A folder can only replace an empty one.

    Raises:
        OSError: The new file or folder cannot be renamed to ``path``.
    """
    # The name of ``path`` may be as long as the file system allows, so the longer temporary name cuts it.
    aside = path.parent / f".{path.name[:40]}{uuid4().hex}"
    try:
        yield aside
        aside.replace(path)
    except BaseException:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)
        raise


def replace_file(path: Path, content: str | bytes, mode: int = OWN) -> None:
    """Write a file atomically: readers see either the old content or the new content, never a part.

    Missing parent folders are created.

    Args:
        path: Path of the file.
        content: New content; text is written as UTF-8.
        mode: Permissions of the file, before the umask of the process is applied; by default all users may read it.

    Raises:
        OSError: The file cannot be written; the old one is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        made_aside(path) as aside,
        open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file,
    ):
        file.write(content.encode() if isinstance(content, str) else content)


def replace_checked(path: Path, content: bytes, mode: int = OWN) -> None:
    """Write a file as ``replace_file`` does, with the SHA-256 of its content in front, for ``read_checked``.

    Raises:
        OSError: The file cannot be written; the old one is unchanged.
    """
    replace_file(path, hashlib.sha256(content).digest() + content, mode)


def read_checked(path: Path) -> bytes | None:
    """Read a file written by ``replace_checked``; None if it cannot be read or its checksum does not match."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[_DIGEST:]
    return content if hashlib.sha256(content).digest() == data[:_DIGEST] else None


def umask() -> int:
    """Return the umask of this process: the permissions that new files do not get."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))
    except (OSError, StopIteration):  # other systems report the umask only when it is set
        found = os.umask(0o077)
        os.umask(found)
        return found


def has_home() -> bool:
    """Whether this user has a writable home; without one, programs fall back to places that all users share."""
    home = os.path.expanduser("~")  # stays "~" for a user that the system does not know
    return os.path.isabs(home) and os.access(home, os.W_OK | os.X_OK)


def has_account() -> bool:
    """Whether the system knows this user; in a container that runs under an arbitrary number it may not."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def user_folder(name: str) -> Path | None:
    """Create a folder that only this user can write to, in the user's cache or else among temporary files.

    Returns:
        The folder; None if it can be created in neither place.
    """
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Another user may have created a folder of that name among temporary files: the next name is as good.
    bases = [f"textclf-{os.geteuid()}{suffix}" for suffix in ("", *(f"-{number}" for number in range(1, _NAMES)))]
    candidates = [Path(tempfile.gettempdir(), base, name) for base in bases]
    if os.path.isabs(caches):  # not absolute without HOME for a user that the system does not know: the ~ stays
        candidates.insert(0, Path(caches, "textclf", name))
    return next((folder for folder in candidates if private_folder(folder)), None)


def private_folder(folder: Path, *, trusted_parent: bool = False) -> bool:
    """Create a folder that only this user can write to. Returns False if it is not private or cannot be created.

    Args:
        folder: Path of the folder, which may exist already.
        trusted_parent: Whether to skip the check that nobody else can write to the parent folder. A user who can write
            to the parent folder could replace the folder.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        checked = [folder.lstat()] if trusted_parent else [folder.lstat(), folder.parent.lstat()]
    except OSError:
        return False
    mine = all(each.st_uid == os.geteuid() and not each.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for each in checked)
    return mine and stat.S_ISDIR(checked[0].st_mode) and os.access(folder, os.W_OK | os.X_OK)
